"""Contention is not failure: who waits for a lock closes the store to nobody else."""

import asyncio
from datetime import timedelta

import httpx2
from sqlalchemy import text

from service.main import State
from tests.relational.users.factories import make_users


async def test_locked_rows_do_not_close_the_store_to_everybody_else(
    client: httpx2.AsyncClient, state: State, default_timeouts: None
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
    state: State, default_timeouts: None
) -> None:
    asked = "SELECT current_setting('{}')::interval"
    async with state["sql"].engine.connect() as connection:
        seen = await connection.scalar(text(asked.format("deadlock_timeout")))
        given_up = await connection.scalar(text(asked.format("lock_timeout")))
    assert timedelta(0) < seen <= given_up / 2
