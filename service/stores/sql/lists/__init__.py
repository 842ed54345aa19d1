"""Parts of lists from PostgreSQL: their statements, orders, totals and rows with few fields.

``listing.py`` and ``json_listing.py`` put them together. Nothing here depends on a request.
"""
