"""Reverting the last migration: its effects first, then the downgrade, with Alembic."""

import inspect
import io
import re
from typing import NamedTuple

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.stores.sql.migrations import alembic_config, head_of, run_query, translate_errors
from sql_migrations.progress import MigrationProgress, ReportLine

MAX_COUNTED = 10_001


class Downgrade(NamedTuple):
    """The effects of ``down``: the reverted migration, its SQL and its note for the operator."""

    revision: str
    why: str
    sql: list[str]
    note: str
    rows: dict[str, int]  # of the tables that would be dropped, counted up to MAX_COUNTED


def plan_down(url: str) -> Downgrade | None:
    """Return the effects of ``down``; None if no migration is applied."""
    head = head_of(url)
    if head is None:
        return None
    config, output = alembic_config(), io.StringIO()
    config.output_buffer = output
    with translate_errors():
        script = ScriptDirectory.from_config(config).get_revision(head)
        command.downgrade(config, f"{head}:{script.down_revision or 'base'}", sql=True)
    statements = _schema_statements(output.getvalue())
    dropped = re.findall(r"^DROP TABLE (\w+)", "\n".join(statements), flags=re.MULTILINE)
    note = inspect.getdoc(script.module.downgrade) or ""
    return Downgrade(head, script.doc, statements, note, _count_rows(url, dropped))


def _schema_statements(sql: str) -> list[str]:
    """Return the statements that change the schema, one line each."""
    without_comments = re.sub(r"^--.*$", "", sql, flags=re.MULTILINE)
    statements = (" ".join(statement.split()) for statement in without_comments.split(";\n"))
    ignored = re.compile(r"$|BEGIN$|COMMIT$|SET |(UPDATE|DELETE FROM) alembic_version ")
    return [statement for statement in statements if not ignored.match(statement)]


def _count_rows(url: str, tables: list[str]) -> dict[str, int]:
    async def count(connection: AsyncConnection) -> dict[str, int]:
        query = "SELECT count(*) FROM (SELECT FROM {} LIMIT {})"
        queries = {table: text(query.format(table, MAX_COUNTED)) for table in tables}
        return {table: int(await connection.scalar(queries[table]) or 0) for table in tables}

    return run_query(url, count) if tables else {}


def down(
    url: str,
    log: ReportLine,
    show: ReportLine | None = None,
    *,
    expected: str | None = None,
) -> None:
    """Revert the last migration, and lose the data in the objects that it created.

    Raises:
        MigrationFailed: The database is not at the revision ``expected``, or at none.
    """
    progress = MigrationProgress(log, show)
    with translate_errors(progress):
        command.downgrade(alembic_config(url, progress, expected=expected), "-1")
