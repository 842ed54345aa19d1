"""Non-atomic bulk requests of users; atomic ones are in test_router and test_repository."""

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.caller import Caller
from service.main import State
from tests.auth.factories import create_user
from tests.fixtures.client import client_as
from tests.relational.users.factories import make_user, make_users, user_body
from tests.relational.users.statements import recorded_statements
from tests.web.bulk import NON_ATOMIC, item_results, status_code_places

BULK = "/v1/users/bulk"


async def test_bulk_create_non_atomic_stores_valid_users(client: httpx2.AsyncClient) -> None:
    stored = await make_user(client)
    items = [
        user_body(),
        user_body(email=stored["email"].upper(), username=stored["username"]),
        user_body(age=200, password="x"),
        user_body(username="twice"),
        user_body(username="TWICE"),
    ]
    answer = await client.post(BULK, params=NON_ATOMIC, json={"items": items})
    assert item_results(answer) == [
        (201, None, []),
        (409, "users_taken", ["/items/1/email", "/items/1/username"]),
        (422, "invalid", ["/items/2/age", "/items/2/password"]),
        (201, None, []),
        (409, "users_taken", ["/items/4/username"]),
    ]
    made = answer.json()["items"][0]
    kept = (await client.get(f"/v1/users/{made['id']}")).json()
    assert (kept["username"], kept["version"]) == (items[0]["username"], made["version"])
    assert (await client.get("/v1/users?count=exact")).json()["total"] == 3


async def test_bulk_deactivate_non_atomic_reports_unknown_ids(client: httpx2.AsyncClient) -> None:
    one, two, gone = await make_users(client, {}, {}, {})
    await client.delete(f"/v1/users/{gone['id']}")
    ids = [gone["id"], one["id"], "x", two["id"], one["id"]]
    answer = await client.post(f"{BULK}/deactivate", params=NON_ATOMIC, json={"items": ids})
    assert item_results(answer) == [
        (404, "user_not_found", ["/items/0"]),
        (200, None, []),
        (422, "invalid", ["/items/2"]),
        (200, None, []),
        (200, None, []),
    ]
    for user in (one, two):
        after = (await client.get(f"/v1/users/{user['id']}")).json()
        assert (after["is_active"], after["version"]) == (False, 2)


async def test_bulk_create_with_key_creates_members_only(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> None:
    admin_client = await create_user(state, "admin")
    scopes = frozenset({"users:read", "users:write", "users:admin"})
    items = [user_body(), user_body(role="admin"), user_body(role="editor")]
    async with client_as(
        Caller(admin_client.id, scopes, key_id=admin_client.login_id), app, state
    ) as key:
        refusal = await key.post(BULK, json={"items": items})
        assert status_code_places(refusal)[:2] == (403, "role_too_strong")
        assert [place for place, _ in status_code_places(refusal)[2]] == [
            "/items/1/role",
            "/items/2/role",
        ]
        answer = await key.post(BULK, params=NON_ATOMIC, json={"items": items})
    assert [status for status, _, _ in item_results(answer)] == [201, 403, 403]


@pytest.mark.parametrize("params", [{}, NON_ATOMIC])
async def test_bulk_1000_users_need_as_many_statements_as_2(
    client: httpx2.AsyncClient, state: State, params: dict[str, str]
) -> None:
    counts = []
    for many in (2, 1000):
        with recorded_statements(state) as statements:
            made = await client.post(
                BULK, params=params, json={"items": [user_body() for _ in range(many)]}
            )
            ids = [user["id"] for user in made.json()["items"]]
            answer = await client.post(f"{BULK}/deactivate", params=params, json={"items": ids})
        assert answer.status_code == (207 if params else 200)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 6, counts
