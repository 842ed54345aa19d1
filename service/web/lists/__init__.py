"""Lists, the same for both stores: their queries, sorts, sets of values, cursors, pages, fields.

``pagination.py`` puts them together. A page is found by a cursor, an offset or its number.
"""
