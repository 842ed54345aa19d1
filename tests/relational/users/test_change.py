"""PATCH of some fields and PUT of the whole user."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.auth.factories import bearer, create_key
from tests.fixtures.client import client_as, member_caller
from tests.relational.users.factories import make_user, make_users

FIELDS = {"name": "Ada Lovelace", "age": 36, "city": "London", "bio": "First."}


def own(user: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the fields that each user may choose and must send."""
    return {"username": user["username"], "email": user["email"], **fields}


async def test_put_replaces_the_whole_user(client: httpx2.AsyncClient) -> None:
    made = await make_user(client, **FIELDS, role="editor", status="pending", is_active=False)
    body = {"username": "countess", "email": "countess@example.com", "age": 37}
    answer = await client.put(f"/v1/users/{made['id']}", json=body)
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    changed = answer.json()
    absent = {"name": None, "city": None, "bio": None}
    moved = {"version": 2, "updated_at": changed["updated_at"]}
    assert changed == {**made, **body, **absent, **moved}
    assert (await client.get(f"/v1/users/{made['id']}")).json() == changed


async def test_put_by_an_administrator_sets_privileged_fields(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_user(client, **FIELDS, role="editor", status="suspended", is_active=False)
    path = f"/v1/users/{made['id']}"
    for field, value in (("status", "active"), ("role", "member"), ("is_active", True)):
        before = (await client.get(path)).json()
        after = (await client.put(path, json=own(made, **{field: value}))).json()
        assert {
            name for name in ("status", "role", "is_active") if before[name] != after[name]
        } == {field}


def test_put_schema_has_no_default_of_a_privileged_field(app: FastAPI) -> None:
    schema = app.openapi()["components"]["schemas"]["UserReplace"]
    for field in ("status", "is_active", "role"):
        assert "default" not in schema["properties"][field]


async def test_put_by_the_user_keeps_what_others_choose(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    made = await make_user(client, **FIELDS, role="editor", status="pending")
    path = f"/v1/users/{made['id']}"
    async with client_as(member_caller(made["id"]), app, state) as user:
        absent = (await user.put(path, json=own(made))).json()
        assert (absent["role"], absent["status"], absent["city"]) == ("editor", "pending", None)
        sent = await user.put(path, json=own(made, role="editor", status="pending", city="Rome"))
        assert (sent.status_code, sent.json()["city"]) == (200, "Rome")
        for field, value in (("role", "member"), ("status", "active"), ("is_active", False)):
            body = own(made, **{"role": "editor", "status": "pending", field: value})
            refused = await user.put(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
            assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{field}"]
    assert (await client.get(path)).json() == sent.json()


@pytest.mark.parametrize("field", ["password", "email_verified", "id", "version", "nick"])
async def test_put_of_what_is_no_field_of_it_is_refused(
    client: httpx2.AsyncClient, field: str
) -> None:
    made = await make_user(client)
    answer = await client.put(f"/v1/users/{made['id']}", json=own(made, **{field: "x"}))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]


async def test_put_without_username_and_email_is_refused(client: httpx2.AsyncClient) -> None:
    made = await make_user(client)
    answer = await client.put(f"/v1/users/{made['id']}", json={"city": "Rome"})
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"/username", "/email"}


async def test_put_keeps_the_password_and_its_logins(
    client: httpx2.AsyncClient, anonymous_client: httpx2.AsyncClient
) -> None:
    made = await make_user(client, password="a long sentence")
    form = {
        "grant_type": "password",
        "username": made["username"],
        "password": "a long sentence",
    }
    token = (await anonymous_client.post("/v1/auth/token", data=form)).json()["access_token"]
    headers = bearer(token)
    path = f"/v1/users/{made['id']}"
    answer = await anonymous_client.put(path, json=own(made, city="Rome"), headers=headers)
    assert answer.status_code == 200
    assert (await anonymous_client.get("/v1/me", headers=headers)).json()["city"] == "Rome"


async def test_put_with_a_stale_etag_changes_nothing(client: httpx2.AsyncClient) -> None:
    made = await make_user(client, **FIELDS)
    path, stale = f"/v1/users/{made['id']}", {"If-Match": '"7"'}
    refused = await client.put(path, json=own(made), headers=stale)
    assert refused.status_code == 412
    assert (await client.get(path)).json() == made
    changed = await client.put(path, json=own(made), headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)


@pytest.mark.parametrize("field", ["email", "username"])
async def test_put_of_a_taken_email_or_username_conflicts(
    client: httpx2.AsyncClient, field: str
) -> None:
    one, other = await make_users(client, {}, {})
    body = own(other, **{field: one[field].upper()})
    answer = await client.put(f"/v1/users/{other['id']}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, f"{field}_taken")
    assert (await client.get(f"/v1/users/{other['id']}")).json() == other


async def test_put_of_unknown_or_deleted_user_makes_none(client: httpx2.AsyncClient) -> None:
    made = await make_user(client)
    await client.delete(f"/v1/users/{made['id']}")
    for user_id in (uuid4(), made["id"]):
        answer = await client.put(f"/v1/users/{user_id}", json=own(made))
        assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")


async def test_put_at_once_with_one_etag_one_succeeds(client: httpx2.AsyncClient) -> None:
    made = await make_user(client)
    path = f"/v1/users/{made['id']}"
    guard = {"If-Match": '"1"'}
    answers = await asyncio.gather(
        *(client.put(path, json=own(made, age=age), headers=guard) for age in range(1, 9))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert (await client.get(path)).json() == winner


async def test_put_with_a_key_gives_no_other_role(
    client: httpx2.AsyncClient, anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    admin, made = await make_user(client, role="admin"), await make_user(client, role="editor")
    key = await create_key(state, admin["id"], "users:admin")
    path, headers = f"/v1/users/{made['id']}", bearer(key)
    same = await anonymous_client.put(path, json=own(made, role="editor", age=1), headers=headers)
    assert (same.status_code, same.json()["age"]) == (200, 1)
    body = own(made, role="member")
    other = await anonymous_client.put(path, json=body, headers=headers)
    assert (other.status_code, other.json()["code"]) == (403, "role_too_strong")


async def test_patch_of_nothing_counts_no_version(client: httpx2.AsyncClient) -> None:
    made = await make_user(client, **FIELDS)
    path = f"/v1/users/{made['id']}"
    verified = (await client.patch(path, json={"email_verified": True})).json()
    for headers in ({}, {"If-Match": '"2"'}, {"If-Match": "*"}):
        answer = await client.patch(path, json={}, headers=headers)
        assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
        assert answer.json() == verified
    stale = await client.patch(path, json={}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await client.get(path)).json() == verified


async def test_put_of_what_is_stored_counts_a_version_alone(client: httpx2.AsyncClient) -> None:
    made = await make_user(client, **FIELDS, role="editor")
    path = f"/v1/users/{made['id']}"
    verified = (await client.patch(path, json={"email_verified": True})).json()
    noted = (await client.get("/v1/audit_events", params={"subject_id": made["id"]})).json()[
        "items"
    ]
    chosen = ("status", "is_active", "role")
    answer = await client.put(
        path, json=own(made, **{name: made[name] for name in chosen}, **FIELDS)
    )
    assert (answer.status_code, answer.headers["etag"]) == (200, '"3"')
    moved = {"version": 3, "updated_at": answer.json()["updated_at"]}
    assert answer.json() == {**verified, **moved}
    again = (await client.get("/v1/audit_events", params={"subject_id": made["id"]})).json()[
        "items"
    ]
    assert again == noted
    assert len(noted) == 2
