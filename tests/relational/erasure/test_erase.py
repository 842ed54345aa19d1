"""Erasure of users: what goes, what stays, who may, and what is in the way."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from service.main import State
from service.relational.authenticator import SqlAuthenticator
from service.relational.users.tables import TOMBSTONE_ID
from tests.auth.auth_fixtures import rate_limiter, with_authenticator
from tests.fixtures.client import client_for
from tests.relational.accounts.factories import assert_ledger_balanced
from tests.relational.erasure.factories import (
    PASSWORD,
    Person,
    execute,
    fill,
    make_person,
    number_of,
    rows_naming,
    with_key,
)
from tests.relational.projects.factories import ProjectUser, status_and_code

OWN = {"password": PASSWORD}
REMOVED = {
    "posts": 1, "comments": 3, "projects": 1, "memberships": 2, "invitations": 3, "accounts": 1,
    "api_keys": 1, "logins": 1,
}  # fmt: skip


@pytest.fixture
async def admin(state: State, auth_client: httpx2.AsyncClient) -> ProjectUser:
    return (await make_person(state, auth_client, "admin")).user


@pytest.fixture
async def person(state: State, auth_client: httpx2.AsyncClient) -> Person:
    return await make_person(state, auth_client)


async def test_erase_leaves_nothing_that_names_the_person(
    state: State, admin: ProjectUser, person: Person
) -> None:
    await fill(state, person, admin)
    user = person.user
    answer = await admin.request_json("POST", f"/users/{user.id}/erase")
    assert answer["removed"] == REMOVED
    kept = answer["kept"]
    assert {**kept, "audit_events": 0} == {
        "orders": 1, "accounts": 1, "transfers": 1, "projects": 1, "stock_movements": 1,
        "audit_events": 0,
    }  # fmt: skip
    assert (answer["documents"], "MongoDB" in answer["detail"]) == ("kept", True)
    left = await rows_naming(state, user.id, user.email, person.username, person.name)
    assert list(left) == ["audit_events"]
    (event,) = left["audit_events"]
    assert (event["act"], event["user_id"], event["subject_id"]) == (
        "user_erased", str(admin.id), str(user.id),
    )  # fmt: skip
    assert kept["audit_events"] > 3
    await assert_ledger_balanced(state)


async def test_erase_gives_what_is_kept_to_the_tombstone(
    state: State, admin: ProjectUser, person: Person
) -> None:
    await fill(state, person, admin)
    await admin.request_json("POST", f"/users/{person.user.id}/erase")
    for table, column in (
        ("orders", "user_id"), ("accounts", "owner_id"), ("transfers", "created_by"),
        ("projects", "created_by"), ("stock_movements", "user_id"),
    ):  # fmt: skip
        assert await number_of(state, table, column) == 1, table
    (order,) = (await admin.request_json("GET", "/orders"))["items"]
    assert (order["user_id"], order["version"]) == (str(TOMBSTONE_ID), 2)
    listed = await admin.request_json("GET", f"/accounts?owner_id={TOMBSTONE_ID}")
    assert [(one["name"], one["closed_at"] is None) for one in listed["items"]] == [
        ("[erased]", False)
    ]
    events = (await admin.request_json("GET", f"/audit_events?user_id={TOMBSTONE_ID}"))["items"]
    assert {event["address"] for event in events} == {None}
    details = [event["details"] for event in events if "note" in event["details"]]
    assert details == [{"email": "[erased]", "note": "[erased]", "after": "member"}]


async def test_erase_keeps_deleted_projects_that_are_used(
    state: State, admin: ProjectUser, person: Person
) -> None:
    user = person.user
    for path in ("experiments", "registered_models"):
        project = await user.request_json("POST", "/projects", {"name": path})
        made = {"name": f"of {path}", "project_id": project["id"]}
        await admin.request_json("POST", f"/{path}", made)
        await user.request_json("DELETE", f"/projects/{project['id']}")
    answer = await admin.request_json("POST", f"/users/{user.id}/erase")
    assert (answer["removed"]["projects"], answer["kept"]["projects"]) == (0, 2)
    assert await number_of(state, "projects", "created_by") == 2
    assert await number_of(state, "project_members", "user_id") == 2


async def test_delete_by_hand_erases_as_well(
    state: State, admin: ProjectUser, person: Person
) -> None:
    await fill(state, person, admin)
    await execute(state, "DELETE FROM users WHERE id = :id", id=person.user.id)
    words = (person.user.id, person.user.email, person.username, person.name)
    assert await rows_naming(state, *words) == {}


async def test_erase_oneself_requires_the_password(state: State, person: Person) -> None:
    user = person.user
    path = f"/users/{user.id}/erase"
    wrong = await user.request("POST", path, {"password": "wrong one"})
    assert status_and_code(wrong) == (403, "wrong_password")
    assert wrong.json()["errors"][0]["pointer"] == "/password"
    for body in (None, {}, {"password": None}):
        assert status_and_code(await user.request("POST", path, body)) == (422, "password_missing")
    by_key = user._replace(headers=await with_key(state, user.id, "users:write"))
    assert status_and_code(await by_key.request("POST", path, OWN)) == (403, "people_only")
    assert await number_of(state, "users", "id", user.id) == 1
    assert (await user.request_json("POST", path, OWN))["removed"]["logins"] == 1
    left = await rows_naming(state, user.id, user.email, person.username, "127.0.0.1")
    assert [event["act"] for event in left.pop("audit_events")] == ["user_erased"]
    assert left == {}


async def test_erase_wrong_passwords_are_counted_as_at_logins(
    app: FastAPI, state: State, authenticator: SqlAuthenticator, person: Person
) -> None:
    limited = with_authenticator(state, authenticator, rate_limiter(guess="2/minute"))
    async with client_for(app, limited) as client:
        user = person.user._replace(client=client)
        answers = [
            await user.request("POST", f"/users/{user.id}/erase", {"password": "wrong one"})
            for _ in range(3)
        ]
    assert [answer.status_code for answer in answers] == [403, 403, 429]


async def test_erase_of_others_is_for_administrators(
    state: State, auth_client: httpx2.AsyncClient, person: Person
) -> None:
    stranger = (await make_person(state, auth_client)).user
    for user_id in (person.user.id, TOMBSTONE_ID):
        refused = await stranger.request("POST", f"/users/{user_id}/erase", OWN)
        assert status_and_code(refused) == (404, "user_not_found")
    assert await number_of(state, "users", "id", person.user.id) == 1


async def test_erase_the_last_owner_is_refused_with_what_to_do(
    state: State, admin: ProjectUser, person: Person
) -> None:
    user = person.user
    project = await user.request_json("POST", "/projects", {"name": "Alone"})
    account = {"name": "Savings", "currency": "EUR"}
    bank = await admin.request_json("POST", "/accounts", {**account, "may_overdraw": True})
    own = await user.request_json("POST", "/accounts", account)
    money = {"from_account_id": bank["id"], "to_account_id": own["id"], "amount": "5.00"}
    await admin.request_json("POST", "/transfers", money)
    refused = await admin.request("POST", f"/users/{user.id}/erase")
    assert status_and_code(refused) == (409, "owns_something")
    assert [error["pointer"] for error in refused.json()["errors"]] == [
        f"/projects/{project['id']}",
        f"/accounts/{own['id']}",
    ]
    for table, code in (("accounts", "ck_accounts_closed"), ("projects", "always has an owner")):
        with pytest.raises(IntegrityError, match=code):  # by hand as well
            await execute(state, "DELETE FROM users WHERE id = :id", id=user.id)
        if table == "accounts":
            back = {"from_account_id": own["id"], "to_account_id": bank["id"], "amount": "5.00"}
            await user.request_json("POST", "/transfers", back)
    await user.request_json("DELETE", f"/projects/{project['id']}")
    assert (await admin.request("POST", f"/users/{user.id}/erase")).status_code == 200


async def test_erase_ends_tokens_and_keys_at_once(
    state: State, admin: ProjectUser, person: Person
) -> None:
    user = person.user
    by_key = user._replace(headers=await with_key(state, user.id, "posts:read"))
    assert {(await one.request("GET", "/posts")).status_code for one in (user, by_key)} == {200}
    await admin.request_json("POST", f"/users/{user.id}/erase")
    assert {(await one.request("GET", "/posts")).status_code for one in (user, by_key)} == {401}


async def test_erase_again_is_replayed_by_its_key_else_404(
    admin: ProjectUser, person: Person
) -> None:
    path = f"/users/{person.user.id}/erase"
    stale = await admin.request("POST", path, if_match='"7"')
    assert status_and_code(stale) == (412, "precondition_failed")
    first = await admin.request("POST", path, if_match='"1"', idempotency_key="once")
    assert first.status_code == 200, first.text
    again = await admin.request("POST", path, if_match='"1"', idempotency_key="once")
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert status_and_code(await admin.request("POST", path)) == (404, "user_not_found")


async def test_erase_takes_deleted_users_and_many_rows(
    state: State, admin: ProjectUser, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.relational.erasure.repository.SLICE", 2)
    user = person.user
    await execute(
        state,
        """INSERT INTO posts (id, author_id, title, slug, content)
        SELECT gen_random_uuid(), :id, 'x', 'x-' || n, '' FROM generate_series(1, 5) AS n""",
        id=user.id,
    )
    await admin.request_json("DELETE", f"/users/{user.id}")
    answer = await admin.request_json("POST", f"/users/{user.id}/erase")
    assert answer["removed"]["posts"] == 5
    assert await number_of(state, "posts", "author_id", user.id) == 0


async def test_tombstone_is_not_listed_changed_or_erased(
    state: State, admin: ProjectUser, person: Person
) -> None:
    await admin.request_json("POST", f"/users/{person.user.id}/erase")
    path = f"/users/{TOMBSTONE_ID}"
    requests: list[tuple[str, str, Any]] = [
        ("GET", path, None), ("PATCH", path, {"city": "x"}), ("DELETE", path, None),
        ("POST", f"{path}/restore", None), ("POST", f"{path}/erase", None),
        ("GET", f"{path}/posts", None),
    ]  # fmt: skip
    for method, address, body in requests:
        assert (await admin.request(method, address, body)).status_code == 404, (method, address)
    for query in ("deleted=true", "deleted=false", "deleted=true&count=exact"):
        listed = (await admin.request_json("GET", f"/users?{query}"))["items"]
        assert str(TOMBSTONE_ID) not in [one["id"] for one in listed]
    for statement in ("DELETE FROM users", "UPDATE users SET deleted_at = NULL"):
        with pytest.raises(IntegrityError, match="stays deleted"):
            await execute(state, f"{statement} WHERE id = :id", id=TOMBSTONE_ID)


async def test_every_reference_to_users_has_an_index(state: State) -> None:
    """Else each erased user reads a whole table."""
    missing = text("""
        SELECT conrelid::regclass || '.' || attname FROM pg_constraint
        JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
        WHERE contype = 'f' AND confrelid IN ('users'::regclass, 'posts'::regclass)
        AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = conrelid AND indkey[0] = conkey[1])
    """)
    async with state["sql"].engine.connect() as connection:
        assert list(await connection.scalars(missing)) == []
