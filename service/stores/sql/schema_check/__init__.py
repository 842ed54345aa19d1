"""The comparison of a database with its migrations, catalog against catalog.

``check_schema`` (check.py) applies the migrations to a temporary database (fresh.py), reads the
catalogs of both databases (catalog.py), compares them (compare.py) and adds to each
difference the statements that mend it (remedies.py). Objects of extensions, and whole tables,
views, functions, types and sequences that no migration made, are foreign and no difference.

``missing_objects`` compares names alone, in one query, for /readyz.

Not compared: owners, privileges, comments, tablespaces, storage, and the order of columns.
"""
