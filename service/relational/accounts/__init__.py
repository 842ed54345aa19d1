"""Accounts and the transfers between them · PostgreSQL.

A double-entry ledger: a transfer has two entries that sum to zero, the balance of an account is the
sum of its entries, and neither ever changes; transfers are reversed. Protects: no cent appears,
disappears or moves twice; no account is overdrawn without permission. Triggers of the database
refuse anything else (migration ``start_the_ledger``), and ``ledger_check.py`` adds it all up again.
"""
