"""An email that a user states proves nothing: an invitation is accepted with its secret."""

from typing import Any

import pytest

from service.main import State
from tests.relational.projects.factories import (
    ProjectUser,
    UserFactory,
    accept,
    invite,
    make_project,
    status_and_code,
)

WITHOUT_SECRET = "UPDATE project_invitations SET secret_hash = NULL WHERE id = :id"


@pytest.mark.parametrize(
    "proof", [None, {}, {"secret": None}, {"secret": ""}, {"secret": "x" * 43}]
)
async def test_accept_without_the_secret_is_refused(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any], proof: Any
) -> None:
    squatter = await user_factory.create(email="grace@example.com")
    invitation = await invite(owner, project, "Grace@example.com")
    path = f"/invitations/{invitation['id']}/accept"
    refused = await squatter.request("POST", path, proof)
    assert status_and_code(refused) == (403, "invitation_secret_wrong")
    assert (await squatter.request("GET", f"/projects/{project['id']}")).status_code == 404
    assert (await accept(squatter, invitation)).status_code == 200, "it is still open"


async def test_accept_with_the_secret_of_another_invitation_is_refused(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest = await user_factory.create()
    invitation = await invite(owner, project, guest.email)
    other = await invite(owner, await make_project(owner), guest.email)
    refused = await accept(guest, {**invitation, "secret": other["secret"]})
    assert status_and_code(refused) == (403, "invitation_secret_wrong")


async def test_accept_with_a_verified_email_needs_no_secret(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest, admin = await user_factory.create(), await user_factory.create("admin")
    path = f"/invitations/{(await invite(owner, project, guest.email))['id']}/accept"
    change = {"email_verified": True}
    refused = await guest.request("PATCH", f"/users/{guest.id}", change)
    assert status_and_code(refused) == (403, "missing_scope")
    changed = await admin.request_json("PATCH", f"/users/{guest.id}", change)
    assert changed["email_verified_at"] is not None
    assert (await guest.request_json("POST", path))["my_role"] == "member"
    events = await admin.request_json("GET", f"/audit_events?subject_id={guest.id}")
    assert [event["details"] for event in events["items"] if event["act"] == "user_changed"] == [
        {"email_verified": True}
    ]


async def test_verified_email_changed_by_its_user_is_not_verified(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest, admin = await user_factory.create(), await user_factory.create("admin")
    address = f"/users/{guest.id}"
    await admin.request_json("PATCH", address, {"email_verified": True})
    same = await guest.request_json("PATCH", address, {"email": guest.email.upper(), "age": 30})
    assert same["email_verified_at"] is not None
    other = await guest.request_json("PATCH", address, {"email": "victim@example.com"})
    assert other["email_verified_at"] is None
    path = f"/invitations/{(await invite(owner, project, 'victim@example.com'))['id']}/accept"
    refused = await guest.request("POST", path)
    assert status_and_code(refused) == (403, "invitation_secret_wrong")
    both = {"email": "third@example.com", "email_verified": True}
    assert (await admin.request_json("PATCH", address, both))["email_verified_at"] is not None
    unverified = await admin.request_json("PATCH", address, {"email_verified": False})
    assert unverified["email_verified_at"] is None


async def test_accept_of_an_invitation_from_before_needs_no_secret(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest = await user_factory.create()
    invitation = await invite(owner, project, guest.email)
    await user_factory.execute(WITHOUT_SECRET, id=invitation["id"])
    joined = await guest.request_json("POST", f"/invitations/{invitation['id']}/accept")
    assert joined["my_role"] == "member"


async def test_secret_is_shown_once_and_stored_as_a_hash(
    owner: ProjectUser, project: dict[str, Any], state: State
) -> None:
    path, body = f"/projects/{project['id']}/invitations", {"email": "grace@example.com"}
    made = await owner.request("POST", path, body, idempotency_key="once")
    assert made.headers["cache-control"] == "no-store"
    secret = made.json()["secret"]
    again = await owner.request("POST", path, body, idempotency_key="once")
    assert status_and_code(again)[0] == 409
    for shown in (path, f"{path}/{made.json()['id']}", "/invitations"):
        answer = await owner.request("GET", shown)
        assert "secret" not in answer.text
    async with state["sql"].engine.connect() as connection:
        for table in ("project_invitations", "idempotency_keys", "audit_events"):
            rows = await connection.exec_driver_sql(f"SELECT t::text FROM {table} t")  # noqa: S608
            assert secret not in str(rows.all())
