"""Contention is not failure: who waits for a lock closes the store to nobody else."""

import asyncio

import httpx2
from sqlalchemy import text

from service.main import State
from tests.test_sql_route import CROSS_LOCKS, TRIGGER, WAITING
from tests.users.makers import make_users


async def test_locked_rows_do_not_close_the_store_to_everybody_else(
    client: httpx2.AsyncClient, state: State
) -> None:
    held, free = await make_users(client, {}, {})
    async with state["sql"].engine.connect() as elsewhere:
        await elsewhere.execute(
            text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": held["id"]}
        )
        refused = await asyncio.gather(
            *(client.patch(f"/v1/users/{held['id']}", json={"age": n}) for n in range(8))
        )
        assert {answer.json()["code"] for answer in refused} == {"locked"}
        assert (await client.get(f"/v1/users/{free['id']}")).status_code == 200


async def test_a_deadlock_is_seen_before_the_wait_for_a_lock_ends(
    client: httpx2.AsyncClient, state: State
) -> None:
    one, other = await make_users(client, {}, {})
    engine = state["sql"].engine
    async with engine.begin() as connection:
        await connection.execute(text(CROSS_LOCKS))
        await connection.execute(text(TRIGGER))
    try:
        async with engine.connect() as gate, engine.connect() as watch:
            await watch.execution_options(isolation_level="AUTOCOMMIT")
            await gate.execute(text("SELECT pg_advisory_lock(7)"))
            requests = [
                asyncio.create_task(client.patch(f"/v1/users/{a['id']}", json={"bio": b["id"]}))
                for a, b in ((one, other), (other, one))
            ]
            while await watch.scalar(text(WAITING)) != 2:
                assert not any(request.done() for request in requests)
            await gate.execute(text("SELECT pg_advisory_unlock(7)"))
            answers = await asyncio.gather(*requests)
    finally:
        async with engine.begin() as connection:
            await connection.execute(text("DROP FUNCTION cross_locks CASCADE"))
    assert [answer.status_code for answer in answers] == [200, 200]
