"""The connection that a prepared read borrows from the pool."""

import asyncio
from typing import cast

import pytest
from sqlalchemy import Integer, Select, func, literal_column, select
from sqlalchemy.pool import QueuePool

from service.main import State
from service.stores.sql.fast_read import PreparedQuery, fetch

ONE: Select[*tuple[int]] = select(literal_column("1", Integer()))


async def test_fetch_cancelled_leaves_no_connection_in_use(
    state: State, reset_stores: None
) -> None:
    sql = state["sql"]
    pool = cast("QueuePool", sql.engine.pool)
    slow = PreparedQuery(ONE.where(func.pg_sleep(30).is_not(None)))
    async with sql.reading(sql.breaker.deadline()) as session:
        reading = asyncio.create_task(fetch(session, slow, {}))
        async with asyncio.timeout(10):
            while not pool.checkedout():
                await asyncio.sleep(0.005)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert pool.checkedout() == 0
        assert [tuple(row) for row in await fetch(session, PreparedQuery(ONE), {})] == [(1,)]
        assert not session.in_transaction()


async def test_fetch_in_transaction_uses_its_connection(state: State, reset_stores: None) -> None:
    sql = state["sql"]
    own = PreparedQuery(select(func.pg_backend_pid(type_=Integer())))
    async with sql.transaction(sql.breaker.deadline()) as session:
        expected = await session.scalar(select(func.pg_backend_pid()))
        assert [tuple(row) for row in await fetch(session, own, {})] == [(expected,)]
