"""One request on PostgreSQL: its transaction, its retries and its connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import event, text
from sqlalchemy.pool import AsyncAdaptedQueuePool

from service.main import State
from service.settings import Settings
from service.stores.sql.engine import open_sql
from tests.relational.users.factories import make_user, make_users
from tests.relational.users.statements import recorded_statements

# A change of a user waits for an advisory lock, then locks the user named in ``bio``.
CROSS_LOCKS = """
CREATE FUNCTION cross_locks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7);
    PERFORM 1 FROM users WHERE id = NEW.bio::uuid FOR UPDATE;
    RETURN NULL;
END $$
"""
TRIGGER = "CREATE TRIGGER t AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION cross_locks()"
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
async def cross_locks(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Two requests that change each other's users deadlock.

    Connections are new, so that they have no prepared statements.
    """
    async with state["sql"].engine.begin() as connection:
        await connection.execute(text(CROSS_LOCKS))
        await connection.execute(text(TRIGGER))
    async with open_sql(settings) as sql:
        monkeypatch.setitem(state, "sql", sql)
        yield
        monkeypatch.undo()
    async with state["sql"].engine.begin() as connection:
        await connection.execute(text("DROP FUNCTION cross_locks CASCADE"))


@contextmanager
def failures(state: State) -> Iterator[list[str]]:
    """Record the SQLSTATE of each failed statement."""
    sqlstates: list[str] = []

    def note(context: Any) -> None:
        sqlstates.append(getattr(context.original_exception, "sqlstate", ""))

    engine = state["sql"].engine.sync_engine
    event.listen(engine, "handle_error", note)
    try:
        yield sqlstates
    finally:
        event.remove(engine, "handle_error", note)


async def test_route_deadlock_is_retried(
    client: httpx2.AsyncClient, state: State, cross_locks: None
) -> None:
    one, other = await make_users(client, {}, {})
    engine = state["sql"].engine
    async with engine.connect() as authenticator, engine.connect() as watch:
        await watch.execution_options(isolation_level="AUTOCOMMIT")
        await authenticator.execute(text("SELECT pg_advisory_lock(7)"))
        with failures(state) as sqlstates:
            requests = [
                asyncio.create_task(client.patch(f"/v1/users/{a['id']}", json={"bio": b["id"]}))
                for a, b in ((one, other), (other, one))
            ]
            while await watch.scalar(text(WAITING)) != 2:
                assert not any(request.done() for request in requests)
            await authenticator.execute(text("SELECT pg_advisory_unlock(7)"))
            answers = await asyncio.gather(*requests)
    assert sqlstates == ["40P01"], "there was a deadlock"
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json()["version"] for answer in answers] == [2, 2], "done once"


async def test_route_error_after_write_is_rolled_back(
    client: httpx2.AsyncClient, state: State
) -> None:
    made = await make_user(client)
    body = {"author_id": made["id"], "title": "T", "tags": ["kept?", "x" * 60]}
    async with state["sql"].engine.begin() as connection:
        rule = "ALTER TABLE tags ADD CONSTRAINT short CHECK (length(name) < 60)"
        await connection.execute(text(rule))
    try:
        refused = await client.post("/v1/posts", json=body)
    finally:
        async with state["sql"].engine.begin() as connection:
            await connection.execute(text("ALTER TABLE tags DROP CONSTRAINT short"))
    assert refused.status_code == 422
    for address in ("/v1/posts", "/v1/tags"):
        assert (await client.get(address)).json()["items"] == []


async def test_route_invalid_request_needs_no_statement(
    client: httpx2.AsyncClient, state: State
) -> None:
    with recorded_statements(state) as statements:
        assert (await client.post("/v1/users", json={"username": 7})).status_code == 422
        assert (await client.get("/v1/users?sort=x")).status_code == 422
        assert (await client.get("/v1/users?cursor=x")).status_code == 400
        assert (await client.patch("/v1/users/7", json={})).status_code == 422
    assert statements == []


async def test_pool_gets_every_connection_back_after_load(
    client: httpx2.AsyncClient, state: State
) -> None:
    made = await make_user(client)
    address, stale = f"/v1/users/{made['id']}", {"If-Match": '"9"'}
    await asyncio.gather(
        *(client.get(address) for _ in range(30)),
        *(client.post("/v1/users", json={**made}) for _ in range(30)),
        *(client.patch(address, json={"age": 1}, headers=stale) for _ in range(30)),
    )
    pool = state["sql"].engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    assert pool.checkedout() == 0


async def test_route_migration_while_running_causes_no_500(
    client: httpx2.AsyncClient, state: State
) -> None:
    user = await make_user(client)
    change = {"username": user["username"]}
    for kind in ("text", "varchar(5000)"):
        for _ in range(3):
            assert (await client.get(f"/v1/users/{user['id']}")).status_code == 200
            assert (await client.patch(f"/v1/users/{user['id']}", json=change)).status_code == 200
        async with state["sql"].engine.begin() as connection:
            await connection.execute(text(f"ALTER TABLE users ALTER COLUMN bio TYPE {kind}"))
    assert (await client.get(f"/v1/users/{user['id']}")).status_code == 200
    assert (await client.patch(f"/v1/users/{user['id']}", json=change)).status_code == 200
    # Idle connections still hold the old statements, on which a test's one transaction would fail.
    await state["sql"].engine.dispose()
