"""Refuse a migration that stored rows stand in the way of."""

from alembic import context, op
from alembic.util.exc import CommandError
from sqlalchemy import text

MAX_LISTED = 20


class RowsInTheWay(CommandError):
    """Rows break a rule that the migration introduces."""


def refuse_while_rows(query: str, problem: str, remedy: str) -> None:
    """Raise RowsInTheWay, which lists the texts that ``query`` returns, if it returns any.

    Nothing is changed. Offline, print the query as a comment.
    """
    if context.is_offline_mode():
        lines = (f"-- {line.strip()}" for line in query.strip().splitlines())
        op.execute("\n".join(("-- Run this only where the query below returns nothing:", *lines)))
        return
    found = list(op.get_bind().scalars(text(f"{query} LIMIT {MAX_LISTED + 1}")))
    if found:
        more = ["and others"] if len(found) > MAX_LISTED else []
        listed = "\n  ".join([problem, *found[:MAX_LISTED], *more])
        raise RowsInTheWay(f"{listed}\n{remedy}, then run this again")
