"""Two forms of one email belong to one user, and emails from before today's rule keep working."""

from collections import Counter
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from service.relational.users.repository import EmailTaken
from tests.auth.factories import create_user
from tests.relational.projects.factories import UserFactory, accept, invite, make_project
from tests.relational.users.factories import make_user, send_all, user_body

FORMS = [
    ("émil@example.com", "E\u0301MIL@EXAMPLE.com"),
    ("ωmega@example.gr", "ΩMEGA@example.gr"),
    ("zoe@münchen.de", "Zoe@XN--MNCHEN-3YA.de"),
]
TOMBSTONE = text("""
    INSERT INTO users (id, username, email, status, is_active, deleted_at)
    VALUES
        ('00000000-0000-7000-8000-ffffffffffff', '(erased)', '(erased)', 'inactive', false, now())
    ON CONFLICT (id) DO NOTHING
""")
REFUSED_TODAY = ("A..b@example.com", "root@localhost", '"q"@x.de', "a\u200bb@x.de")


@pytest.mark.parametrize(("one", "other"), FORMS)
async def test_email_in_another_form_is_taken(
    client: httpx2.AsyncClient, one: str, other: str
) -> None:
    await make_user(client, email=one)
    single = await client.post("/v1/users", json=user_body(email=other))
    assert (single.status_code, single.json()["code"]) == (409, "email_taken")
    several = await client.post("/v1/users/bulk", json={"items": [user_body(email=other)]})
    assert (several.status_code, several.json()["code"]) == (409, "users_taken")
    assert [error["pointer"] for error in several.json()["errors"]] == ["/items/0/email"]


@pytest.mark.parametrize("forms", FORMS)
async def test_email_in_two_forms_at_once_is_registered_once(
    client: httpx2.AsyncClient, forms: tuple[str, str]
) -> None:
    bodies = [{"json": user_body(email=forms[n % 2])} for n in range(16)]
    answers = await send_all(client, "POST", "/v1/users", *bodies)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 15}
    assert {answer.json().get("code") for answer in answers} == {None, "email_taken"}


async def test_email_that_sql_inserts_in_another_form_is_taken(
    state: State, reset_stores: None
) -> None:
    """In a form that the service would not store."""
    await create_user(state, email="a@münchen.de")
    with pytest.raises(EmailTaken):
        await create_user(state, email=" A@xn--mnchen-3ya.de")


async def log_in(client: httpx2.AsyncClient, username: str) -> int:
    form = {"grant_type": "password", "username": username, "password": "a long sentence"}
    return (await client.post("/v1/auth/token", data=form)).status_code


@pytest.mark.parametrize("email", REFUSED_TODAY)
async def test_user_with_an_old_email_logs_in(
    client: httpx2.AsyncClient, anonymous_client: httpx2.AsyncClient, state: State, email: str
) -> None:
    made = await make_user(client, password="a long sentence")
    await store_email(state, made, email)
    for typed in (email, email.upper(), f" {email} "):
        assert await log_in(anonymous_client, typed) == 200
    assert await log_in(anonymous_client, f"x{email}") == 401


async def test_user_logs_in_with_any_form_of_the_email(
    client: httpx2.AsyncClient, anonymous_client: httpx2.AsyncClient
) -> None:
    for one, other in FORMS:
        await make_user(client, email=one, password="a long sentence")
        assert await log_in(anonymous_client, other) == 200


@pytest.mark.parametrize("email", REFUSED_TODAY)
async def test_user_with_an_old_email_can_be_changed(
    client: httpx2.AsyncClient, state: State, email: str
) -> None:
    made = await make_user(client)
    await store_email(state, made, email)
    path = f"/v1/users/{made['id']}"
    for method, body in (
        ("PATCH", {"city": "Rome"}),
        ("PATCH", {"email": email}),
        ("PUT", {"username": made["username"], "email": email, "city": "Paris"}),
    ):
        changed = await client.request(method, path, json=body)
        assert changed.status_code == 200, changed.text
        assert changed.json().items() >= {"email": email, **body}.items()
    for method, body in (
        ("PATCH", {"email": f"x{email}"}),
        ("PUT", {"username": made["username"], "email": f"x{email}"}),
        ("PATCH", {"email": (await make_user(client))["email"].replace("@", "@.")}),
    ):
        refused = await client.request(method, path, json=body)
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/email"]


async def test_old_email_of_another_user_is_refused(
    client: httpx2.AsyncClient, state: State
) -> None:
    made, other = await make_user(client), await make_user(client)
    await store_email(state, other, "a..b@example.com")
    refused = await client.patch(f"/v1/users/{made['id']}", json={"email": "a..b@example.com"})
    assert refused.status_code == 422
    registered = await client.post("/v1/users", json=user_body(email="a..b@example.com"))
    assert registered.status_code == 422


@pytest.mark.parametrize("email", REFUSED_TODAY)
async def test_user_with_an_old_email_is_invited_by_it(
    anonymous_client: httpx2.AsyncClient, state: State, email: str
) -> None:
    users = UserFactory(state, anonymous_client)
    owner, guest = await users.create(), await users.create(email=email)
    project = await make_project(owner)
    path, unknown = f"/projects/{project['id']}/invitations", {"email": f"x{email}"}
    assert (await owner.request("POST", path, unknown)).status_code == 422
    invitation = await invite(owner, project, email)
    again = await owner.request("POST", path, {"email": email.upper()})
    assert (again.status_code, again.json()["code"]) == (409, "already_invited")
    assert (await accept(guest, invitation)).status_code == 200


async def test_old_email_is_not_revealed_by_a_change_of_its_owner(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    users = UserFactory(state, anonymous_client)
    caller, owner = await users.create(), await users.create(email="root@localhost")
    for method, body in (("PATCH", {}), ("PUT", {"username": "somebody"})):
        answers = [
            await caller.request(method, f"/users/{user_id}", {**body, "email": email})
            for user_id in (owner.id, uuid4())
            for email in ("root@localhost", "toor@localhost")
        ]
        assert [answer.status_code for answer in answers] == [422] * 4
        assert {answer.json()["detail"] for answer in answers} == {answers[-1].json()["detail"]}


async def test_invitation_by_an_old_email_shows_what_was_typed(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    users = UserFactory(state, anonymous_client)
    owner, guest = await users.create(), await users.create(email="Root@localhost")
    project = await make_project(owner)
    invitation = await invite(owner, project, " rooT@Localhost ")
    assert invitation["email"] == "rooT@Localhost"
    assert (await accept(guest, invitation)).status_code == 200


async def test_invitation_by_an_old_email_of_no_present_user_is_refused(
    anonymous_client: httpx2.AsyncClient, client: httpx2.AsyncClient, state: State
) -> None:
    users = UserFactory(state, anonymous_client)
    owner, gone = await users.create(), await users.create(email="root@localhost")
    path = f"/projects/{(await make_project(owner))['id']}/invitations"
    async with state["sql"].engine.begin() as connection:
        await connection.execute(TOMBSTONE)
    assert (await owner.request("POST", path, {"email": gone.email})).status_code == 201
    assert (await client.delete(f"/v1/users/{gone.id}")).status_code == 204
    for email in (gone.email.upper(), "(erased)"):
        refused = await owner.request("POST", path, {"email": email})
        assert refused.status_code == 422, refused.text


async def test_email_with_nul_is_refused_at_its_place(
    anonymous_client: httpx2.AsyncClient, client: httpx2.AsyncClient, state: State
) -> None:
    owner = await UserFactory(state, anonymous_client).create()
    email = {"email": "a\0b@example.com"}
    project = await make_project(owner)
    for refused in (
        await owner.request("PATCH", f"/users/{owner.id}", email),
        await owner.request("POST", f"/projects/{project['id']}/invitations", email),
        await client.post("/v1/users", json={**user_body(), **email}),
        await client.put(f"/v1/users/{owner.id}", json={"username": "x", **email}),
    ):
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == ["/email"]


async def test_invitation_to_another_form_of_the_email_is_received(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    users = UserFactory(state, anonymous_client)
    owner = await users.create()
    for one, other in FORMS:
        guest, project = await users.create(email=one), await make_project(owner)
        invitation = await invite(owner, project, other)
        (received,) = (await guest.request_json("GET", "/invitations"))["items"]
        assert received["id"] == invitation["id"]
        assert (await accept(guest, invitation)).status_code == 200
        path = f"/projects/{project['id']}/invitations"
        member = await owner.request("POST", path, {"email": other})
        assert (member.status_code, member.json()["code"]) == (409, "already_member")


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_email_in_another_form_stays_verified(
    client: httpx2.AsyncClient, method: str
) -> None:
    made = await make_user(client, email="zoe@münchen.de")
    path = f"/v1/users/{made['id']}"
    verified = (await client.patch(path, json={"email_verified": True})).json()
    body = {"username": made["username"], "email": "ZOE@xn--mnchen-3ya.de"}
    same = (await client.request(method, path, json=body)).json()
    assert same["email"] == "ZOE@münchen.de"
    assert same["email_verified_at"] == verified["email_verified_at"] is not None
    other = await client.request(method, path, json={**body, "email": "zoë@münchen.de"})
    assert other.json()["email_verified_at"] is None


async def store_email(state: State, user: dict[str, Any], email: str) -> None:
    """Store an email as an earlier release accepted it."""
    async with state["sql"].engine.begin() as connection:
        statement = text("UPDATE users SET email = :email WHERE id = :id")
        await connection.execute(statement, {"email": email, "id": user["id"]})
