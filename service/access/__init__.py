"""Who is calling · PostgreSQL.

For now only how passwords are kept: as argon2id, hashed in threads so that the loop never stands
still, few at a time so that a rush of them leaves the processor to others.
"""
