"""Erasure of users · PostgreSQL.

Protects: nothing of a person stays but what others rely on, which belongs to the tombstone
(``service/relational/users/tables.py``). The database does it, by foreign keys and two triggers of
the migration ``erase_users``; this feature decides who may, lists what is in the way, and counts.
"""
