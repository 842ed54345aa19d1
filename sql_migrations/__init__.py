"""The history of the PostgreSQL schema: one file per reason in versions/, run by Alembic.

``polystore migrate`` runs it; ``alembic`` itself works too, from the project's folder.
"""
