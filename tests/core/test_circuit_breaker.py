"""Contention is no failure: waits for a lock do not open the circuit."""

import asyncio
from datetime import timedelta

import httpx2
from sqlalchemy import text

from service.main import State
from tests.relational.users.factories import make_users


async def test_circuit_lock_timeouts_do_not_open_it(
    client: httpx2.AsyncClient, state: State, default_timeouts: None
) -> None:
    locked, free = await make_users(client, {}, {})
    async with state["sql"].engine.connect() as elsewhere:
        await elsewhere.execute(
            text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": locked["id"]}
        )
        responses = await asyncio.gather(
            *(client.patch(f"/v1/users/{locked['id']}", json={"age": n}) for n in range(8))
        )
        assert {response.json()["code"] for response in responses} == {"locked"}
        assert (await client.get(f"/v1/users/{free['id']}")).status_code == 200


async def test_deadlock_timeout_is_shorter_than_lock_timeout(
    state: State, default_timeouts: None
) -> None:
    setting = "SELECT current_setting('{}')::interval"
    async with state["sql"].engine.connect() as connection:
        detected = await connection.scalar(text(setting.format("deadlock_timeout")))
        given_up = await connection.scalar(text(setting.format("lock_timeout")))
    assert timedelta(0) < detected <= given_up / 2
