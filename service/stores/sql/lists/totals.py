"""How many rows a list has: exactly, up to a bound, or as PostgreSQL's planner estimates."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.stores.sql.fast_read import PreparedQuery, fetch
from service.stores.sql.lists.statements import AnySelect
from service.web.lists.page_numbers import MOST_COUNTED, Total
from service.web.lists.pagination import ListQuery


async def count_items(
    session: AsyncSession,
    query: ListQuery,
    matches: AnySelect,
    values: Mapping[str, Any],
) -> Total:
    """Return the total that a query requests.

    A page by number counts MOST_COUNTED rows at most; beyond, the planner estimates.
    """
    if query.count == "exact":
        return Total(await _count(session, matches, values))
    if query.number is not None:
        counted = await _count(session, matches.limit(MOST_COUNTED + 1), values)
        if counted <= MOST_COUNTED:
            return Total(counted)
        return Total(max(counted, await _estimate(session, matches, values)), is_estimated=True)
    return Total(await _estimate(session, matches, values), is_estimated=True)


async def _count(session: AsyncSession, matches: AnySelect, values: Mapping[str, Any]) -> int:
    count = select(func.count()).select_from(matches.subquery())
    return await session.scalar(count, values) or 0


async def _estimate(session: AsyncSession, matches: AnySelect, values: Mapping[str, Any]) -> int:
    """Return the planner's estimate, which costs no scan."""
    explain = PreparedQuery(matches, prefix="EXPLAIN (FORMAT JSON) ")
    ((plan,),) = await fetch(session, explain, values)
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return int(plan[0]["Plan"]["Plan Rows"])
