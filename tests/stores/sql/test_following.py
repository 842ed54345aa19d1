"""Lists that are followed: every row comes once, however long its transaction takes to commit.

Transactions of other tests, in other databases of the engine, delay rows too; hence the waits.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.main import State
from service.relational.users.tables import User
from tests.auth.factories import create_user
from tests.fixtures.client import client_as, member_caller
from tests.project.list_endpoints import lists_of
from tests.relational.accounts.factories import make_account, make_transfer
from tests.relational.catalog.factories import make_product
from tests.relational.orders.factories import line, make_order
from tests.relational.posts.factories import make_post
from tests.relational.users.factories import make_user, make_users, user_body

USERS = "/v1/users"
Followed = tuple[str, dict[str, str], str]  # address and query of a list, id of its only row
XID = func.pg_current_xact_id().cast(User.username.type)


@pytest.fixture
async def followed_client(
    app: FastAPI, state: State, reset_stores: None
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an administrator who is a user, as transfers require."""
    person = await create_user(state, "admin")
    async with client_as(member_caller(person.id, "admin"), app, state) as client:
        yield client


class Follower:
    """A client that follows a list from its start."""

    def __init__(self, client: httpx2.AsyncClient, address: str, **query: Any) -> None:
        self._client, self._address = client, address
        self._query: dict[str, Any] = {"sort": "committed", "limit": 3, **query}
        self.received: list[str] = []

    async def follow(self) -> list[str]:
        """Read to the end of the list; return the ids that came."""
        came: list[str] = []
        while True:
            response = await self._client.get(self._address, params=self._query)
            assert response.status_code == 200, response.text
            body = response.json()
            came += [item["id"] for item in body["items"]]
            self._query["cursor"] = body["page"]["next_cursor"]
            assert self._query["cursor"] is not None
            assert ("link" in response.headers) == body["page"]["has_more"]
            if not body["page"]["has_more"]:
                self.received += came
                return came

    async def follow_until(self, count: int) -> list[str]:
        """Follow until this many have come."""
        async with asyncio.timeout(30):
            while len(self.received) < count:
                await self.follow()
                await asyncio.sleep(0.01)
        return self.received


async def insert_user(connection: AsyncConnection) -> str:
    user_id: UUID | None = await connection.scalar(
        insert(User).values(user_body()).returning(User.id)
    )
    return str(user_id)


@asynccontextmanager
async def open_transaction(state: State) -> AsyncIterator[AsyncConnection]:
    """Open a transaction that has its id."""
    async with state["sql"].engine.begin() as connection:
        await connection.execute(select(XID))
        yield connection


async def follow_by_time(client: httpx2.AsyncClient, since: str) -> dict[str, str]:
    """Return the time of each user since a time, as one who follows by created_at reads them."""
    query: dict[str, str | int] = {"sort": "created_at", "created_at__gte": since, "limit": 200}
    items = (await client.get(USERS, params=query)).json()["items"]
    return {user["id"]: user["created_at"] for user in items}


async def test_following_finds_the_row_that_is_committed_late(
    client: httpx2.AsyncClient, state: State
) -> None:
    follower = Follower(client, USERS)
    async with open_transaction(state) as late:
        first = await insert_user(late)
        second = (await make_user(client))["id"]
        assert await follower.follow() == []
        by_time = await follow_by_time(client, "1970-01-01T00:00:00Z")
        assert list(by_time) == [second]
    assert await follower.follow_until(2) == [first, second]
    # One who follows by created_at has passed it.
    assert first not in await follow_by_time(client, by_time[second])


async def post_of(client: httpx2.AsyncClient) -> list[Followed]:
    post = await make_post(client)
    return [("/v1/posts", {}, post["id"]), (f"/v1/users/{post['author_id']}/posts", {}, post["id"])]


async def product_of(client: httpx2.AsyncClient) -> list[Followed]:
    product = await make_product(client)
    return [("/v1/products", query, product["id"]) for query in ({}, {"expand": "category"})]


async def order_of(client: httpx2.AsyncClient) -> list[Followed]:
    buyer = (await make_user(client))["id"]
    made = await make_order(client, line(await make_product(client)), user_id=buyer)
    return [("/v1/orders", {}, made["id"])]


async def transfer_of(client: httpx2.AsyncClient) -> list[Followed]:
    sender = await make_account(client, may_overdraw=True)
    receiver = await make_account(client)
    made = await make_transfer(client, sender, receiver, "1.00")
    entries = f"/v1/accounts/{receiver['id']}/entries"
    (entry,) = (await client.get(entries)).json()["items"]
    return [
        ("/v1/transfers", {}, made["id"]),
        ("/v1/transfers", {"account_id": receiver["id"]}, made["id"]),
        (entries, {}, entry["id"]),
    ]


@pytest.mark.parametrize("make", [post_of, product_of, order_of, transfer_of])
async def test_following_waits_for_older_transactions(
    followed_client: httpx2.AsyncClient,
    state: State,
    make: Callable[[httpx2.AsyncClient], Awaitable[list[Followed]]],
) -> None:
    async with open_transaction(state):
        lists = await make(followed_client)
        followers = [Follower(followed_client, path, **query) for path, query, _ in lists]
        assert [await follower.follow() for follower in followers] == [[]] * len(lists)
    for follower, (_, _, made) in zip(followers, lists, strict=True):
        assert await follower.follow_until(1) == [made]
        assert await follower.follow() == []


async def test_following_under_load_finds_every_row_once(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Six writers insert up to five rows a transaction and commit after up to eight statements."""
    made: list[str] = []

    async def write(chance: random.Random) -> None:
        for _ in range(6):
            async with state["sql"].engine.begin() as connection:
                made.extend([await insert_user(connection) for _ in range(chance.randint(1, 5))])
                for _ in range(chance.randint(0, 8)):
                    await connection.execute(select(1))

    async def write_all() -> None:
        await asyncio.gather(*(write(random.Random(seed)) for seed in range(6)))

    follower, writers = Follower(client, USERS, limit=20), asyncio.create_task(write_all())
    while not writers.done():
        await follower.follow()
    await writers
    received = await follower.follow_until(len(made))
    assert len(received) == len(set(received))
    assert set(received) == set(made)


async def test_following_pages_hold_rows_of_one_transaction_by_id(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_users(client, *[{}] * 8)
    assert await Follower(client, USERS).follow_until(8) == sorted(user["id"] for user in made)


async def test_following_passes_over_rows_that_change(client: httpx2.AsyncClient) -> None:
    user, follower = await make_user(client), Follower(client, USERS)
    await follower.follow_until(1)
    changed = await client.patch(f"{USERS}/{user['id']}", json={"city": "Paris"})
    assert changed.status_code == 200
    other = (await make_user(client))["id"]
    assert await follower.follow_until(2) == [user["id"], other]


async def test_following_with_a_filter_finds_its_rows_alone(client: httpx2.AsyncClient) -> None:
    follower = Follower(client, USERS, city="paris")
    assert await follower.follow() == []
    users = [await make_user(client, city=city) for city in ("Paris", "London", "Paris")]
    assert await follower.follow_until(2) == [users[0]["id"], users[2]["id"]]


async def test_following_counts_what_it_lists(client: httpx2.AsyncClient, state: State) -> None:
    totals = []
    async with open_transaction(state):
        await make_user(client)
        for sort in ("committed", "created_at"):
            response = await client.get(USERS, params={"sort": sort, "count": "exact"})
            totals.append(response.json()["total"])
    assert totals == [0, 1]


def test_following_is_a_matter_of_the_primary(app: FastAPI) -> None:
    """A replica knows the running transactions of the primary only as of what it has replayed."""
    followed = {
        operation["operationId"]
        for path in app.openapi()["paths"].values()
        for operation in path.values()
        if "committed" in str(operation.get("parameters"))
    }
    on_primary = {endpoint.name for endpoint in lists_of(app) if "committed" in endpoint.sorts}
    assert followed == on_primary
    assert len(followed) == 7
