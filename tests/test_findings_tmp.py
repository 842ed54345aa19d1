"""As it should be; each fails today. Copy to tests/test_findings.py to run."""

import asyncio
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from tests.posts.makers import make_post
from tests.test_sql_route import CROSS_LOCKS, TRIGGER, WAITING
from tests.users.makers import make_user, make_users, user_body
from tests.users.statements import fill, overheard, used_indexes
from tests.users.test_tables import MANY_USERS


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


@pytest.mark.parametrize("q", ["ada.l", "ada.lovelace", "ada.love"])
async def test_a_username_with_a_dot_is_found_by_what_it_is(
    client: httpx2.AsyncClient, q: str
) -> None:
    await make_user(client, username="ada.lovelace")
    found = (await client.get("/v1/users", params={"q": q})).json()["items"]
    assert len(found) == 1


@pytest.mark.parametrize("prefix", ["ΠΆΤΡΑΣ", "İst"])
async def test_a_prefix_finds_whatever_the_case_as_postgresql_lowers_it(
    client: httpx2.AsyncClient, prefix: str
) -> None:
    await make_users(client, {"name": "Πάτρας 1"}, {"name": "ΠΆΤΡΑΣ"}, {"name": "İstanbul"})
    found = (await client.get("/v1/users", params={"name__prefix": prefix})).json()["items"]
    assert prefix in {user["name"][: len(prefix)] for user in found}


async def test_a_nested_copy_is_stale_when_what_is_nested_changed(
    client: httpx2.AsyncClient,
) -> None:
    author = await make_user(client, name="Before")
    post = await make_post(client, author_id=author["id"], tags=["a"])
    address = f"/v1/posts/{post['id']}?expand=author,tags"
    etag = (await client.get(address)).headers["etag"]
    await client.patch(f"/v1/users/{author['id']}", json={"name": "After"})
    again = await client.get(address, headers={"If-None-Match": etag})
    assert again.status_code == 200
    assert again.json()["author"]["name"] == "After"


async def test_few_deleted_users_are_found_without_reading_all(
    client: httpx2.AsyncClient, state: State
) -> None:
    async with state["sql"].engine.begin() as connection:
        await fill(connection, MANY_USERS.replace("n % 50 = 0", "n % 4000 = 0"))
    with overheard(state) as said:
        await client.get("/v1/users?deleted=true")
    async with state["sql"].engine.connect() as connection:
        assert "scan of users" not in await used_indexes(connection, said[-1])


async def test_a_cursor_and_an_offset_do_not_go_together(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {}, {})
    cursor = (await client.get("/v1/users?limit=1")).json()["page"]["next_cursor"]
    answer = await client.get(f"/v1/users?limit=1&cursor={cursor}&offset=1")
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_many_passwords_at_once_are_hashed_before_the_transaction(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    items = [user_body(password="correct horse") for _ in range(200)]
    answer = await client.post("/v1/users/bulk", json={"items": items}, headers=headers)
    assert answer.status_code == 201


async def test_a_deleted_user_writes_no_posts(client: httpx2.AsyncClient) -> None:
    author = await make_user(client)
    await client.delete(f"/v1/users/{author['id']}")
    body: dict[str, Any] = {"author_id": author["id"], "title": "From beyond"}
    assert (await client.post("/v1/posts", json=body)).status_code == 409


async def test_leading_zeros_do_not_shrink_a_limit(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/v1/users?limit=000000000050")
    assert answer.json()["page"]["limit"] == 50
