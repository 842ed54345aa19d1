"""Data migrations in batches, each committed on its own.

A batch takes only rows that still need the change, so an interrupted migration can run again and
continue. A batch locks its own rows and no others, in the order of their keys, so two runners at
once only slow each other down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alembic import context, op
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from sql_migrations.progress import MigrationProgress

MAX_ATTEMPTS = 10
# Unique violation, serialization failure, deadlock, lock not available: another client changed or
# locked these rows.
RETRIED_SQLSTATES = ("23505", "40001", "40P01", "55P03")


@dataclass(frozen=True)
class Batches:
    """The rows to change, and the change.

    ``where``: condition of the rows that need the change; must be false for them afterwards.
    ``columns``: the columns of ``batch``, the rows to change. ``change``: an UPDATE of ``table``
    from ``batch``. It may use ``:attempt``, a text that differs in each retry, to choose another
    value than one that was taken.
    """

    table: str
    where: str
    columns: str
    change: str
    key: str = "id"
    size: int = 1000

    @property
    def count(self) -> TextClause:
        """Query for the number of rows to change: one scan of the table, without locks."""
        return text(f"SELECT count(*) FROM {self.table} WHERE {self.where}")  # noqa: S608

    def run(self) -> None:
        """Change all rows, within ``upgrade()``. Offline, print one statement."""
        if context.is_offline_mode():
            comment = f"-- `polystore migrate apply` does this {self.size:,} rows at a time.\n"
            values = {"attempt": "1"} if ":attempt" in self.change else {}
            op.execute(text(comment + self._statement("")).bindparams(**values))
            return
        progress: MigrationProgress | None = context.config.attributes.get("progress")
        with op.get_context().autocommit_block():
            connection = op.get_bind()
            if progress is not None:
                progress.add_to_total(connection.scalar(self.count))
            for rows in self.run_batches(connection):
                if progress is not None:
                    progress.advance(rows)

    def run_batches(self, connection: Connection) -> Iterator[int]:
        """Yield each batch's number of rows once it is committed, on an autocommit connection."""
        last_key: Any = None
        while keys := self._run_batch(connection, last_key):
            last_key = max(keys)
            yield len(keys)

    def _run_batch(self, connection: Connection, last_key: Any) -> list[Any]:
        after = "" if last_key is None else f" AND {self.key} > :last_key"
        limit = f" ORDER BY {self.key} LIMIT {self.size} FOR UPDATE"
        returning = f"\nRETURNING {self.table}.{self.key}"
        statement = text(self._statement(f"{after}{limit}") + returning)
        values = {"last_key": last_key} if after else {}
        attempt = 1
        while True:
            try:
                return list(connection.scalars(statement, {**values, "attempt": str(attempt)}))
            except DBAPIError as error:
                sqlstate = getattr(error.orig, "sqlstate", None)
                if sqlstate not in RETRIED_SQLSTATES or attempt == MAX_ATTEMPTS:
                    raise
            attempt += 1

    def _statement(self, suffix: str) -> str:
        rows = f"SELECT {self.columns} FROM {self.table} WHERE ({self.where}){suffix}"  # noqa: S608
        return f"WITH batch AS MATERIALIZED ({rows})\n{self.change}"
