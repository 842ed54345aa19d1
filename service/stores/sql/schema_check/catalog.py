"""Read the system catalogs of a database."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.stores.sql.schema_check import schema_queries, table_queries
from service.stores.sql.schema_check.objects import Catalog, CatalogObject, Foreign, Key

# In the order in which the objects can be created.
QUERIES = {
    "type": schema_queries.TYPES,
    "sequence": schema_queries.SEQUENCES,
    "function": schema_queries.FUNCTIONS,
    "relation": table_queries.RELATIONS,
    "column": table_queries.COLUMNS,
    "constraint": table_queries.CONSTRAINTS,
    "index": table_queries.INDEXES,
    "statistics": table_queries.STATISTICS,
    "trigger": table_queries.TRIGGERS,
    "rule": table_queries.RULES,
    "policy": table_queries.POLICIES,
}
COMMON = {"parent", "name", "owner", "extension"}
# The schema of the migrations' tables, quoted; the one that a migration would use if there is none.
SCHEMA = """
SELECT coalesce(
    (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('alembic_version')),
    current_schema()::regnamespace
)::regnamespace::text
"""


async def schema_of(connection: AsyncConnection) -> str:
    """Return the schema that the migrations use, quoted."""
    return str(await connection.scalar(text(SCHEMA)))


async def read_catalog(connection: AsyncConnection) -> Catalog:
    """Return the objects in the schema of the migrations' tables, in one transaction."""
    schema = await schema_of(connection)
    await connection.execute(
        text("SELECT set_config('search_path', :schema, true)"), {"schema": schema}
    )
    objects = [
        item
        for group, query in QUERIES.items()
        for item in await _read(connection, group, query, schema)
    ]
    others = await connection.execute(text(schema_queries.OTHERS), {"schema": schema})
    return Catalog({item.key: item for item in objects}, tuple(Foreign(*row) for row in others))


async def _read(
    connection: AsyncConnection, group: str, query: str, schema: str
) -> list[CatalogObject]:
    rows = (await connection.execute(text(query), {"schema": schema})).mappings()
    return [
        CatalogObject(
            Key(group, row["parent"], row["name"]),
            row["owner"],
            row["extension"],
            {name: value or "" for name, value in row.items() if name not in COMMON},
        )
        for row in rows
    ]
