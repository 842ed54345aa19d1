"""Users · PostgreSQL.

Protects: a username and an email belong to one user, whatever the case, even after a soft delete,
so that a restore never collides.
"""
