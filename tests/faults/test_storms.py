"""32 concurrent clients on the same rows: no 5xx, no long wait, and the sums are exact.

The timeouts are longer than by default, as in all tests. The default refuses a request after half a
second of waiting for a lock, and such an error would hide deadlocks.
"""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from service.main import State
from service.settings import Settings
from service.stores.sql.engine import SqlStore, open_sql
from tests.auth.factories import create_user
from tests.fixtures.client import client_as, member_caller
from tests.fixtures.cpu_time import cpu_wait_seconds
from tests.relational.accounts.factories import (
    assert_ledger_balanced,
    balance_of,
    make_account,
    transfer_body,
)
from tests.relational.catalog.factories import make_category, make_product, movements
from tests.relational.orders.factories import line, order
from tests.relational.posts.factories import make_post
from tests.relational.projects.conftest import user_factory as user_factory  # noqa: PLC0414 - a fixture
from tests.relational.projects.factories import ProjectUser, UserFactory, make_project
from tests.relational.users.factories import make_user, make_users
from tests.stores.sql.test_route import CROSS_LOCKS, TRIGGER, WAITING, failures

pytestmark = pytest.mark.faults

CLIENTS, MOST_SECONDS = 32, 5.0
WIDE_POOL = {"sql_pool_size": CLIENTS + 4}
Ask = Callable[[], Awaitable[httpx2.Response]]


@pytest.fixture(scope="module")
async def wide_sql(settings: Settings) -> AsyncIterator[SqlStore]:
    """A connection for each client, and the same ones for each test: they cost 8 ms each."""
    async with open_sql(settings.model_copy(update=WIDE_POOL)) as sql:
        yield sql


@pytest.fixture
async def wide_pool(
    state: State, reset_stores: None, wide_sql: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[State]:
    monkeypatch.setitem(state, "sql", wide_sql)
    yield state
    monkeypatch.undo()


@pytest.fixture
async def admin_client(app: FastAPI, wide_pool: State) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an administrator who is a user, because accounts and orders have an owner."""
    person = await create_user(wide_pool, "admin")
    async with client_as(member_caller(person.id, "admin"), app, wide_pool) as speaking:
        yield speaking


async def hammer(requests: Sequence[Ask]) -> list[httpx2.Response]:
    """Return the responses in order; each client takes the next request once it has its answer."""
    todo, answers = iter(enumerate(requests)), dict[int, httpx2.Response]()
    waited: list[float] = []

    async def client() -> None:
        for place, ask in todo:
            began = time.monotonic() - cpu_wait_seconds()
            answers[place] = await ask()
            waited.append(time.monotonic() - cpu_wait_seconds() - began)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    assert [response.text for response in answers.values() if response.status_code >= 500] == []
    # On a busy machine all requests wait longer; none waits much longer than the others.
    assert max(waited) < max(MOST_SECONDS, 6 * statistics.median(waited))
    return [answers[place] for place in range(len(requests))]


def count_outcomes(answers: Sequence[httpx2.Response]) -> Counter[str]:
    """Count the responses by error code, and the successful ones by status."""
    return Counter(
        str(response.status_code) if response.is_success else response.json()["code"]
        for response in answers
    )


async def test_opposite_transfers_between_two_accounts_are_exact(
    admin_client: httpx2.AsyncClient, wide_pool: State
) -> None:
    one, other = [await make_account(admin_client, balance="20.00") for _ in range(2)]
    chance = random.Random(1)
    moves = [(chance.choice((1, -1)), Decimal(chance.randint(1, 900)) / 100) for _ in range(128)]
    asked = []
    for way, amount in moves:
        ends = (other, one) if way > 0 else (one, other)
        asked.append(
            partial(admin_client.post, "/v1/transfers", json=transfer_body(*ends, f"{amount}"))
        )
    with failures(wide_pool) as sqlstates:
        answers = await hammer(asked)
    assert "40P01" not in sqlstates, "there was a deadlock"
    assert set(count_outcomes(answers)) == {"201", "overdrawn"}
    booked = [
        way * amount
        for (way, amount), answer in zip(moves, answers, strict=True)
        if answer.is_success
    ]
    assert Decimal(await balance_of(admin_client, one)) == 20 + sum(booked)
    assert Decimal(await balance_of(admin_client, other)) == 20 - sum(booked)
    assert await assert_ledger_balanced(wide_pool) == 40


async def test_last_units_of_several_products_are_sold_once(
    admin_client: httpx2.AsyncClient, wide_pool: State
) -> None:
    products = [await make_product(admin_client, stock=stock) for stock in (24, 40, 31)]
    lines = [line(product) for product in products]
    wanted = [lines[:: 1 if n % 2 else -1] for n in range(96)]
    with failures(wide_pool) as sqlstates:
        answers = await hammer([partial(order, admin_client, *ordered) for ordered in wanted])
    assert "40P01" not in sqlstates, "there was a deadlock"
    assert count_outcomes(answers) == {"201": 24, "not_enough_stock": 72}
    for product, left in zip(products, (0, 16, 7), strict=True):
        found = (await admin_client.get(f"/v1/products/{product['id']}")).json()["stock"]
        assert (
            found
            == left
            == sum(movement["change"] for movement in await movements(admin_client, product))
        )


async def make_named_project(client: httpx2.AsyncClient) -> dict[str, Any]:
    made: dict[str, Any] = (await client.post("/v1/projects", json={"name": "Churn"})).json()
    return made


CHANGED: dict[str, tuple[Callable[[httpx2.AsyncClient], Awaitable[dict[str, Any]]], str]] = {
    "users": (make_user, "name"),
    "posts": (make_post, "title"),
    "products": (make_product, "name"),
    "categories": (make_category, "name"),
    "projects": (make_named_project, "name"),
    "accounts": (make_account, "name"),
}
CHANGES = CLIENTS // 2  # for each of six kinds


@pytest.mark.parametrize("kind", CHANGED)
async def test_concurrent_changes_with_if_match_one_wins_without_all_do(
    admin_client: httpx2.AsyncClient, kind: str
) -> None:
    make, field = CHANGED[kind]
    address = f"/v1/{kind}/{(await make(admin_client))['id']}"
    if_match = {"If-Match": (await admin_client.get(address)).headers["etag"]}
    bodies = [{field: f"{n}"} for n in range(CHANGES)]
    conditional = await hammer(
        [partial(admin_client.patch, address, json=b, headers=if_match) for b in bodies]
    )
    assert count_outcomes(conditional) == {"200": 1, "precondition_failed": CHANGES - 1}
    (winner,) = [response.json() for response in conditional if response.is_success]
    assert (await admin_client.get(address)).json() == winner
    unconditional = await hammer(
        [partial(admin_client.patch, address, json=body) for body in bodies]
    )
    assert count_outcomes(unconditional) == {"200": CHANGES}
    assert sorted(response.json()["version"] for response in unconditional) == list(
        range(3, CHANGES + 3)
    )


async def test_project_keeps_an_owner_under_concurrent_changes(
    wide_pool: State, user_factory: UserFactory
) -> None:
    chance = random.Random(2)
    for _ in range(2):
        first = await user_factory.create()
        project = await make_project(first)
        path = f"/projects/{project['id']}"
        owners = [first, *[await user_factory.create_member(project, "owner") for _ in range(3)]]

        def change(person: ProjectUser, path: str, owners: list[ProjectUser], n: int) -> Ask:
            whom = f"{path}/members/{chance.choice(owners).id}"
            kinds: list[Ask] = [
                partial(person.request, "POST", f"{path}/leave"),
                partial(
                    person.request, "PATCH", whom, {"role": chance.choice(("viewer", "admin"))}
                ),
                partial(person.request, "DELETE", whom),
                partial(
                    person.request,
                    "POST",
                    f"{path}/invitations",
                    {"email": f"x{n % 4}@example.com"},
                ),
            ]
            return kinds[n % len(kinds)]

        asked = [change(chance.choice(owners), path, owners, n) for n in range(2 * CLIENTS)]
        answers = await hammer(asked)
        assert count_outcomes(answers)["204"] + count_outcomes(answers)["200"] >= 1
        assert set(count_outcomes(answers)) <= {
            "200", "201", "204", "last_owner", "project_not_found", "member_not_found",
            "project_role_too_weak", "project_role_too_strong", "already_invited",
        }  # fmt: skip
        count = "SELECT count(*) FROM project_members WHERE project_id = :id AND role = 'owner'"
        async with wide_pool["sql"].engine.connect() as connection:
            assert await connection.scalar(text(count), {"id": project["id"]}) >= 1


async def released_together(
    state: State, asked: Sequence[Ask], hold: str, release: str
) -> tuple[list[httpx2.Response], Counter[str]]:
    """Return the responses and the SQLSTATEs of requests that all waited for ``hold``'s lock."""
    engine = state["sql"].engine
    async with engine.connect() as authenticator, engine.connect() as watch:
        await watch.execution_options(isolation_level="AUTOCOMMIT")
        await authenticator.execute(text(hold))
        with failures(state) as sqlstates:
            storming = asyncio.create_task(hammer(asked))
            while await watch.scalar(text(WAITING)) < CLIENTS:
                assert not storming.done(), await storming
            await authenticator.execute(text(release))
            await authenticator.commit()
            return await storming, Counter(sqlstates)


def both_directions(things: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Return neighbours as pairs, in both directions."""
    pairs = list(zip(things[::2], things[1::2], strict=True))
    return [*pairs, *((other, one) for one, other in pairs)]


async def test_16_deadlocks_at_once_are_all_retried_inside(
    admin_client: httpx2.AsyncClient, wide_pool: State
) -> None:
    asked = [
        partial(admin_client.patch, f"/v1/users/{one['id']}", json={"bio": other["id"]})
        for one, other in both_directions(await make_users(admin_client, *[{}] * CLIENTS))
    ]
    async with wide_pool["sql"].engine.begin() as connection:
        await connection.execute(text(CROSS_LOCKS))
        await connection.execute(text(TRIGGER))
    hold, release = "SELECT pg_advisory_lock(7)", "SELECT pg_advisory_unlock(7)"
    try:
        answers, failed = await released_together(wide_pool, asked, hold, release)
    finally:
        async with wide_pool["sql"].engine.begin() as connection:
            await connection.execute(text("DROP FUNCTION cross_locks CASCADE"))
    assert failed == {"40P01": CLIENTS // 2}
    assert count_outcomes(answers) == {"200": CLIENTS}
    assert {response.json()["version"] for response in answers} == {2}, "not done exactly once"


@pytest.fixture
async def repeatable_read(
    wide_pool: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """Make REPEATABLE READ the database's default, as an operator may do.

    A transaction that waited for a changed row then fails.
    """
    engine = wide_pool["sql"].engine
    async with engine.begin() as connection:
        name = f'ALTER DATABASE "{await connection.scalar(text("SELECT current_database()"))}"'
        setting = "SET default_transaction_isolation = 'repeatable read'"
        await connection.execute(text(f"{name} {setting}"))
    async with open_sql(settings.model_copy(update=WIDE_POOL)) as sql:
        monkeypatch.setitem(wide_pool, "sql", sql)
        yield
    async with engine.begin() as connection:
        await connection.execute(text(f"{name} RESET default_transaction_isolation"))


async def test_16_serialization_failures_at_once_are_all_retried_inside(
    admin_client: httpx2.AsyncClient, wide_pool: State, repeatable_read: None
) -> None:
    accounts = [await make_account(admin_client, balance="5.00") for _ in range(CLIENTS)]
    asked = [
        partial(admin_client.post, "/v1/transfers", json=transfer_body(one, other, "1.25"))
        for one, other in both_directions(accounts)
    ]
    hold, release = "SELECT id FROM accounts FOR UPDATE", "SELECT 1"
    answers, failed = await released_together(wide_pool, asked, hold, release)
    assert failed == {"40001": CLIENTS // 2}
    assert count_outcomes(answers) == {"201": CLIENTS}
    assert {await balance_of(admin_client, account) for account in accounts} == {"5.00"}
    assert await assert_ledger_balanced(wide_pool) == 5 * CLIENTS
