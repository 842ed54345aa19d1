"""Comparing a database with the tables in the code by name, in one query: cheap enough for a probe.

`polystore migrate check` also compares definitions.
"""

from functools import cache
from typing import NamedTuple

from sqlalchemy import MetaData, text
from sqlalchemy.dialects.postgresql import dialect
from sqlalchemy.ext.asyncio import AsyncConnection

# Tables that the search path finds, with their columns, valid indexes and constraints.
_NAMES = text("""
    WITH tables AS (
        SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)
    )
    SELECT tables.relname || '.' || attname
    FROM tables JOIN pg_attribute ON attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT pg_class.relname
    FROM tables JOIN pg_index ON indrelid = tables.oid AND indisvalid
        JOIN pg_class ON pg_class.oid = indexrelid
    UNION ALL
    SELECT conname FROM tables JOIN pg_constraint ON conrelid = tables.oid
""")


class MissingObjects(NamedTuple):
    """Names that are declared and do not exist.

    ``columns``, as ``table.column``: requests fail without them. ``others``, indexes and
    constraints: requests are slow, or wrong data gets in.
    """

    columns: list[str]
    others: list[str]


async def missing_objects(connection: AsyncConnection, metadata: MetaData) -> MissingObjects:
    """Return what the database lacks of the tables in ``metadata``."""
    existing = set(await connection.scalars(_NAMES))
    return MissingObjects(*(sorted(names - existing) for names in _declared(metadata)))


@cache
def _declared(metadata: MetaData) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of columns, then those of indexes and constraints."""
    columns: set[str] = set()
    others: set[str] = set()
    preparer = dialect().identifier_preparer  # type: ignore[no-untyped-call] # SQLAlchemy's
    for table in metadata.tables.values():
        columns |= {f"{table.name}.{column.name}" for column in table.columns}
        others |= {index.name for index in table.indexes if index.name}
        others |= {name for item in table.constraints if (name := preparer.format_constraint(item))}
    return frozenset(columns), frozenset(others)
