"""Erasure while the same user writes, and two erasures at once."""

import asyncio
from typing import Any

import httpx2
import pytest

from service.main import State
from tests.relational.erasure.factories import execute, make_person, rows_naming
from tests.relational.projects.factories import ProjectUser

WRITERS = 8
REFUSED = {401, 404, 409, 503}  # no token, no user any more, or their row is locked


@pytest.fixture
async def admin(state: State, auth_client: httpx2.AsyncClient) -> ProjectUser:
    return (await make_person(state, auth_client, "admin")).user


async def test_erase_among_writes_of_the_user_leaves_nothing(
    state: State, auth_client: httpx2.AsyncClient, admin: ProjectUser
) -> None:
    person = await make_person(state, auth_client)
    user = person.user
    post = await admin.request_json("POST", "/posts", {"title": "x", "published": True})
    product = {"sku": "s", "name": "x", "price": "1.00", "currency": "EUR", "stock": 10_000}
    made = await admin.request_json("POST", "/products", product)
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/posts", {"title": "x", "tags": ["t"]}),
        (f"/posts/{post['id']}/comments", {"content": "x"}),
        ("/orders", {"lines": [{"product_id": made["id"], "quantity": 1}]}),
        ("/accounts", {"name": "x", "currency": "EUR"}),
    ]
    written, statuses = asyncio.Event(), list[int]()

    async def write(number: int) -> None:
        path, body = bodies[number % len(bodies)]
        while statuses.count(401) < WRITERS:
            answer = await user.request(
                "POST", path, body, idempotency_key=f"{number}.{len(statuses)}"
            )
            statuses.append(answer.status_code)
            if len(statuses) > 2 * WRITERS:
                written.set()

    async def erase() -> int:
        await written.wait()
        while (answer := await admin.request("POST", f"/users/{user.id}/erase")).status_code == 503:
            pass  # locked: the writers were first
        return answer.status_code

    async with asyncio.timeout(60):
        erased, *_ = await asyncio.gather(erase(), *map(write, range(WRITERS)))
    assert erased == 200
    assert set(statuses) <= {201} | REFUSED
    assert statuses.count(201) > WRITERS
    left = await rows_naming(state, user.id, user.email, person.username)
    assert [event["act"] for event in left.pop("audit_events")] == ["user_erased"]
    assert left == {}


async def test_two_erasures_at_once_erase_once(
    state: State, auth_client: httpx2.AsyncClient, admin: ProjectUser
) -> None:
    user = (await make_person(state, auth_client)).user
    await execute(
        state,
        """INSERT INTO posts (id, author_id, title, slug, content)
        SELECT gen_random_uuid(), :id, 'x', 'x-' || n, '' FROM generate_series(1, 200) AS n""",
        id=user.id,
    )
    path = f"/users/{user.id}/erase"
    answers = await asyncio.gather(*(admin.request("POST", path) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 404]
