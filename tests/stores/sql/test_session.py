"""Sessions: commits, timeouts, and the constraints of the tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from sqlalchemy import CheckConstraint, event, text
from sqlalchemy.exc import CompileError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from service.core.errors import Unavailable
from service.main import State
from service.relational.metadata import METADATA
from service.relational.users.queries import NEW_USER, one_user
from service.relational.users.schemas import UserCreate
from service.settings import Settings
from service.stores.sql.engine import open_sql
from service.stores.sql.session import NotCommitted
from tests.relational.users.factories import make_user, user_body


@pytest.fixture
async def late_constraint(state: State) -> AsyncIterator[None]:
    """A unique constraint on users.city that PostgreSQL checks at the commit."""
    constraint = "UNIQUE (city) DEFERRABLE INITIALLY DEFERRED"
    async with state["sql"].engine.begin() as connection:
        await connection.execute(text(f"ALTER TABLE users ADD CONSTRAINT late {constraint}"))
    yield
    async with state["sql"].engine.begin() as connection:
        await connection.execute(text("ALTER TABLE users DROP CONSTRAINT late"))


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "late"}])
async def test_commit_failure_is_conflict_and_stores_nothing(
    client: httpx2.AsyncClient, late_constraint: None, headers: dict[str, str]
) -> None:
    first, other = await make_user(client, city="Ulm"), await make_user(client)
    answers = [
        await client.post("/v1/users", json=user_body(city="Ulm"), headers=headers),
        await client.post("/v1/users", json=user_body(city="Ulm"), headers=headers),
        await client.patch(f"/v1/users/{other['id']}", json={"city": "Ulm"}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert not {"location", "etag", "idempotency-replayed"} & set(answer.headers)
    listed = (await client.get("/v1/users?sort=created_at")).json()["items"]
    assert listed == [first, other]


async def test_change_of_locked_row_is_refused_while_it_is_locked(
    client: httpx2.AsyncClient, state: State, default_timeouts: None
) -> None:
    address = f"/v1/users/{(await make_user(client))['id']}"
    async with state["sql"].engine.connect() as elsewhere:
        await elsewhere.execute(text("SELECT 1 FROM users FOR UPDATE"))
        refused = await client.patch(address, json={"age": 1})
        assert (refused.status_code, refused.json()["code"]) == (503, "locked")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get(address)).status_code == 200, "reads do not wait"
    again = await client.patch(address, json={"age": 1})
    assert (again.status_code, again.json()["version"]) == (200, 2)


async def test_reporting_session_cannot_write(client: httpx2.AsyncClient, state: State) -> None:
    sql = state["sql"]
    with pytest.raises(DBAPIError, match="read-only transaction"):
        async with sql.reporting(sql.breaker.deadline()) as session:
            await session.execute(text("DELETE FROM users"))
    assert (await client.post("/v1/users", json=user_body())).status_code == 201


async def test_database_has_check_constraints_of_tables(state: State) -> None:
    """Alembic compares no CHECK constraints."""
    query = text("SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid > 16384")
    async with state["sql"].engine.connect() as connection:
        kept = set(await connection.scalars(query))
    declared = {
        str(rule.name)
        for table in METADATA.sorted_tables
        for rule in table.constraints
        if isinstance(rule, CheckConstraint)
    }
    assert kept == declared


def test_prepared_query_unknown_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match="pronouns"):
        one_user(everybody=True).arguments({"user_id": uuid4(), "pronouns": "she"})


async def test_insert_unknown_column_is_refused(state: State) -> None:
    sql = state["sql"]
    with pytest.raises(CompileError, match="pronouns"):
        async with sql.transaction(sql.breaker.deadline()) as session:
            await session.execute(NEW_USER.values(id=uuid4(), pronouns="she"))


async def test_create_user_every_field_is_stored_and_returned(
    client: httpx2.AsyncClient, state: State
) -> None:
    """A field added to the schema and the table is stored and returned."""
    example: dict[str, Any] = {
        "username": "grace", "email": "grace@example.com", "name": "Grace", "age": 36,
        "city": "Ulm", "bio": "Compilers", "status": "pending", "is_active": False,
        "role": "editor", "password": "a long sentence",
    }  # fmt: skip
    assert set(example) == set(UserCreate.model_fields), "give the new field a value here"
    answer = await client.post("/v1/users", json=example)
    shown = {name: value for name, value in answer.json().items() if name in example}
    assert shown == {name: value for name, value in example.items() if name != "password"}
    async with state["sql"].engine.connect() as connection:
        found = await connection.execute(text("SELECT * FROM users WHERE username = 'grace'"))
        row = found.mappings().one()
    assert {name: row[name] for name in shown} == shown
    assert row["password_hash"].startswith("$argon2id$")


async def test_transaction_swallowed_error_raises_not_committed(state: State) -> None:
    sql = state["sql"]

    async def swallow() -> None:
        async with sql.transaction(sql.breaker.deadline()) as session:
            with suppress(DBAPIError):
                await session.execute(text("SELECT 1 / 0"))

    with pytest.raises(NotCommitted):
        await swallow()
    async with sql.transaction(sql.breaker.deadline()) as session:
        assert await session.scalar(text("SELECT 1")) == 1


async def test_store_closing_under_statements_closes_connections(settings: Settings) -> None:
    made: list[asyncpg.Connection] = []
    async with open_sql(settings.model_copy(update={"sql_deadline_seconds": 0.2})) as sql:

        @event.listens_for(sql.engine.sync_engine, "connect")
        def note(connection: Any, _record: object) -> None:
            made.append(connection.driver_connection)

        async def hang(session: AsyncSession) -> None:
            await session.scalar(text("SELECT pg_sleep(1)"))

        with pytest.raises(Unavailable):
            await sql.run(hang, writes=False)
        leaving = asyncio.create_task(sql.run(hang, writes=False))
        async with asyncio.timeout(30):
            while len(made) < 2:
                await asyncio.sleep(0)
        leaving.cancel()
    assert [connection.is_closed() for connection in made] == [True, True]


async def test_connection_lost_in_a_savepoint_is_unavailable(state: State) -> None:
    async def lose(session: AsyncSession) -> None:
        async with session.begin_nested():
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Unavailable):
        await state["sql"].run(lose, writes=True)
