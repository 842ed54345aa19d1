"""Accounts and the transfers between them · PostgreSQL.

A double-entry ledger: a transfer has two entries that sum to zero, the balance of an account is
the sum of its entries, and neither is ever changed, only reversed. Protects: no cent appears, gets
lost or moves twice; no account is overdrawn that may not be. The database itself refuses whatever
would break this (the triggers stand in the migration ``start_the_ledger``), and ``polystore
doctor`` counts it all again (``check.py``). ``transfer.py`` is the deed.
"""
