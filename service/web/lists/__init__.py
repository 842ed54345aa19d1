"""Parts of the queries of lists, the same for both stores: sorts, sets of values, cursors.

``pagination.py`` puts them together. A page is found by a cursor, an offset or its number.
"""
