"""Compare a database with the schema that its migrations make."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError

from service.stores.sql import migrations
from service.stores.sql.schema_check.catalog import read_catalog, schema_of
from service.stores.sql.schema_check.compare import compare, foreign
from service.stores.sql.schema_check.connection import ServerFacts, connected, server_facts
from service.stores.sql.schema_check.fresh import ReportLine, fresh_catalog
from service.stores.sql.schema_check.objects import Catalog, SchemaReport, Status

READ_SETTINGS = {"statement_timeout": "30s", "default_transaction_read_only": "on"}


def check_schema(
    url: str, *, scratch_url: str | None = None, log: ReportLine = lambda _line: None
) -> SchemaReport:
    """Compare the database at ``url`` with the schema at its own revision.

    The temporary database is created on the server of ``scratch_url``, else on that of ``url``.
    Nothing is compared before the first migration, or at a revision that this code does not know.
    ``log`` receives a line for each temporary database that could not be dropped.

    Raises:
        TemporaryDatabaseRefused: No temporary database can be created.
        MigrationFailed: A database is not reachable, or the migrations failed.
    """
    head, expected = migrations.head_of(url), migrations.expected_head()
    if head is None:
        return SchemaReport(head, expected, "behind")
    if migrations.state_of(head) is migrations.SchemaState.AHEAD:
        return SchemaReport(head, expected, "ahead")
    try:
        fresh, actual = asyncio.run(_catalogs(url, scratch_url or url, head, log))
    except (SQLAlchemyError, OSError) as error:
        raise migrations.MigrationFailed(f"The schemas could not be read: {error}") from error
    drift = compare(fresh, actual)
    status: Status = "differs" if drift else "same"
    if head != expected:
        status = "behind"
    return SchemaReport(head, expected, status, drift, foreign(fresh, actual))


async def _catalogs(
    url: str, server_url: str, revision: str, log: ReportLine
) -> tuple[Catalog, Catalog]:
    """Return the catalog that the migrations make, and that of the database."""
    actual, schema, facts = await _read(url)
    return await fresh_catalog(server_url, facts, schema, revision, log), actual


async def _read(url: str) -> tuple[Catalog, str, ServerFacts]:
    async with connected(url, READ_SETTINGS) as connection:
        facts, schema = await server_facts(connection), await schema_of(connection)
        return await read_catalog(connection), schema, facts
