"""Lists from PostgreSQL: filters, statements, orders, totals, and rows with few fields.

``listing.py`` and ``json_listing.py`` put them together; the latter writes JSON in PostgreSQL.
"""
