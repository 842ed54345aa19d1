"""The history of the PostgreSQL schema: one file per reason in versions/, executed by Alembic.

``polystore migrate`` is its command; ``alembic`` works too, from the project's folder.
"""
