"""Rows of a page, which ends early where they are large.

PostgreSQL makes the text of a row when the row is fetched. So a large page is fetched in parts, and
what does not fit into it is never made.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from service.web.lists.large_pages import PAGE_BYTES

AT_ONCE = (
    100  # rows that are fetched without a transaction around them, which costs two round trips
)
PART = 50  # rows of the first fetch; the driver's adapter fetches no fewer
MOST_OF_PART = 1000


class PageRows(NamedTuple):
    """The rows of a page, one at least if there are any, and whether more follow."""

    rows: Sequence[Any]
    has_more: bool


async def page_rows(
    session: AsyncSession,
    statement: Select[*tuple[Any, ...]],
    limit: int,
    size: Callable[[Any], int],
) -> PageRows:
    """Return at most ``limit`` rows, fewer where they exceed 8 MiB.

    Args:
        session: has read nothing yet, or is in a transaction.
        statement: returns one row more than ``limit`` if there is one.
        limit: of rows.
        size: of a row, in characters.
    """
    rows: list[Any] = []
    total = 0
    async with aclosing(_parts(session, statement, limit, size)) as parts:
        async for part in parts:
            for row in part:
                total += size(row)
                if rows and (len(rows) == limit or total > PAGE_BYTES):
                    return PageRows(rows, has_more=True)
                rows.append(row)
    return PageRows(rows, has_more=False)


async def _parts(
    session: AsyncSession,
    statement: Select[*tuple[Any, ...]],
    limit: int,
    size: Callable[[Any], int],
) -> AsyncGenerator[Sequence[Any]]:
    """Yield the rows in parts; a part has what fits into a page, by the sizes of the one before."""
    if limit <= AT_ONCE:
        yield (await session.execute(statement)).all()
        return
    if not session.in_transaction():
        # Reads commit each statement by itself, which would close the portal that is fetched from.
        await session.connection(execution_options={"isolation_level": "READ COMMITTED"})
    result = await session.stream(statement)
    try:
        number, rest = PART, limit + 1
        while part := await result.fetchmany(number):
            yield part
            rest -= len(part)
            if len(part) < number or rest == 0:
                return
            fitting = PAGE_BYTES * len(part) // (1 + sum(map(size, part)))
            number = min(max(PART, fitting), MOST_OF_PART, rest)
    finally:
        await result.close()
