"""Data migrations in batches, each committed by itself.

What is done is told by the rows themselves: a batch takes only those that still need it. So whoever
was interrupted runs the migration again, and it goes on where it stood. A batch locks its own rows
and no others, in the order of their keys; two runners at once get in each other's way and no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alembic import context, op
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from sql_migrations.progress import Progress

ATTEMPTS = 10
# Unique violation, serialization failure, deadlock, lock not available: others were at these rows.
TRY_AGAIN = ("23505", "40001", "40P01", "55P03")


@dataclass(frozen=True)
class Batches:
    """What to do to which rows.

    ``todo`` is the condition of the rows that need it, and false of them afterwards. ``change`` is
    an UPDATE of ``table`` from ``batch``, which has the columns ``reads``; it may use ``:attempt``,
    another text at each repetition, to choose another value than the one that was taken.
    """

    table: str
    todo: str
    reads: str
    change: str
    key: str = "id"
    size: int = 1000

    @property
    def count(self) -> TextClause:
        """How many rows need it: one look over the table, without locks."""
        return text(f"SELECT count(*) FROM {self.table} WHERE {self.todo}")  # noqa: S608

    def run(self) -> None:
        """Does it, within ``upgrade()``. Offline it is one statement."""
        if context.is_offline_mode():
            said = f"-- `polystore migrate apply` does this {self.size:,} rows at a time.\n"
            op.execute(text(said + self._statement("")).bindparams(attempt="1"))
            return
        progress: Progress | None = context.config.attributes.get("progress")
        with op.get_context().autocommit_block():
            connection = op.get_bind()
            if progress is not None:
                progress.counted(connection.scalar(self.count))
            for rows in self.walk(connection):
                if progress is not None:
                    progress.advanced(rows)

    def walk(self, connection: Connection) -> Iterator[int]:
        """The rows of each batch, once it is done; ``connection`` commits each statement."""
        after: Any = None
        while done := self._batch(connection, after):
            after = max(done)
            yield len(done)

    def _batch(self, connection: Connection, after: Any) -> list[Any]:
        beyond = "" if after is None else f" AND {self.key} > :after"
        limit = f" ORDER BY {self.key} LIMIT {self.size} FOR UPDATE"
        returning = f"\nRETURNING {self.table}.{self.key}"
        statement = text(self._statement(f"{beyond}{limit}") + returning)
        bound = {"after": after} if beyond else {}
        attempt = 1
        while True:
            try:
                return list(connection.scalars(statement, {**bound, "attempt": str(attempt)}))
            except DBAPIError as error:
                sqlstate = getattr(error.orig, "sqlstate", None)
                if sqlstate not in TRY_AGAIN or attempt == ATTEMPTS:
                    raise
            attempt += 1

    def _statement(self, further: str) -> str:
        rows = f"SELECT {self.reads} FROM {self.table} WHERE ({self.todo}){further}"  # noqa: S608
        return f"WITH batch AS MATERIALIZED ({rows})\n{self.change}"
