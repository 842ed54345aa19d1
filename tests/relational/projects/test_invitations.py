"""Invitations: sent to an email in any case, answered once before they expire."""

import asyncio
from typing import Any

import pytest

from tests.relational.projects.factories import (
    ProjectUser,
    UserFactory,
    accept,
    invite,
    make_project,
    status_and_code,
)

LATER = "UPDATE project_invitations SET expires_at = now() - interval '1 second' WHERE id = :id"


async def test_invitation_invited_user_lists_and_accepts_it(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest = await user_factory.create(email="Grace@Example.com")
    answer = await owner.request(
        "POST", f"/projects/{project['id']}/invitations", {"email": "GRACE@example.COM"}
    )
    made = {name: value for name, value in answer.json().items() if name != "secret"}
    path = f"/projects/{project['id']}/invitations/{made['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1{path}")
    assert (made["role"], made["invited_by"]) == ("member", str(owner.id))
    assert await owner.request_json("GET", path) == made
    (mine,) = (await guest.request_json("GET", "/invitations"))["items"]
    assert (mine["id"], mine["project_name"]) == (made["id"], "Churn")
    assert "secret" not in made | mine
    joined = (await accept(guest, answer.json())).json()
    assert (joined["id"], joined["my_role"]) == (project["id"], "member")
    assert (await guest.request_json("GET", "/invitations"))["items"] == []
    assert (await owner.request_json("GET", f"/projects/{project['id']}/invitations"))[
        "items"
    ] == []
    assert status_and_code(await owner.request("GET", path)) == (404, "invitation_not_found")


async def test_invitation_is_visible_to_user_registered_later(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    here = await user_factory.create(email="here@example.com")
    answers = [await invite(owner, project, email) for email in (here.email, "new@example.com")]
    kinds = [{name: type(value) for name, value in answer.items()} for answer in answers]
    assert kinds[0] == kinds[1], "the response does not reveal whether the email is registered"
    newcomer = await user_factory.create(email="new@example.com")
    assert (await accept(newcomer, answers[1])).status_code == 200


async def test_invitation_is_hidden_from_other_users(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    invitation = await invite(owner, project, "guest@example.com")
    await user_factory.create(email="guest@example.com")
    for person in (owner, await user_factory.create(), await user_factory.create("admin")):
        assert (await person.request_json("GET", "/invitations"))["items"] == []
        for action in ("accept", "decline"):
            refused = await person.request("POST", f"/invitations/{invitation['id']}/{action}")
            assert status_and_code(refused) == (404, "invitation_not_found")


@pytest.mark.parametrize("first", ["accept", "decline"])
@pytest.mark.parametrize("second", ["accept", "decline"])
async def test_invitation_can_be_answered_once(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any], first: str, second: str
) -> None:
    guest = await user_factory.create()
    invitation = await invite(owner, project, guest.email)
    path = f"/invitations/{invitation['id']}"
    proof = {"secret": invitation["secret"]} if first == "accept" else None
    once = await guest.request("POST", f"{path}/{first}", proof, idempotency_key="k")
    again = await guest.request("POST", f"{path}/{first}", proof, idempotency_key="k")
    assert (once.status_code, again.json()) == (200, once.json())
    assert status_and_code(await guest.request("POST", f"{path}/{second}")) == (
        409,
        "invitation_answered",
    )
    status = 200 if first == "accept" else 404
    assert (await guest.request("GET", f"/projects/{project['id']}")).status_code == status


async def test_invitation_two_concurrent_accepts_one_succeeds(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    for _ in range(10):
        guest = await user_factory.create()
        invitation = await invite(owner, project, guest.email)
        answers = await asyncio.gather(*(accept(guest, invitation) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert {status_and_code(answer)[1] for answer in answers if answer.status_code == 409} == {
            "invitation_answered"
        }
    body = await owner.request_json("GET", f"/projects/{project['id']}/members?count=exact")
    assert body["total"] == 11


async def test_invitation_concurrent_accept_and_withdrawal_one_succeeds(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    for _ in range(10):
        guest = await user_factory.create()
        invitation = await invite(owner, project, guest.email)
        accepted, withdrawn = await asyncio.gather(
            accept(guest, invitation),
            owner.request("DELETE", f"/projects/{project['id']}/invitations/{invitation['id']}"),
        )
        statuses = (accepted.status_code, withdrawn.status_code)
        assert statuses in {(200, 404), (404, 204)}
        member = await owner.request("GET", f"/projects/{project['id']}/members/{guest.id}")
        assert member.status_code == accepted.status_code


async def test_invitation_expired_can_be_replaced(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest = await user_factory.create()
    old = await invite(owner, project, guest.email)
    await user_factory.execute(LATER, id=old["id"])
    for action in ("accept", "decline"):
        refused = await guest.request("POST", f"/invitations/{old['id']}/{action}")
        assert status_and_code(refused) == (409, "invitation_expired")
    assert (await guest.request_json("GET", "/invitations"))["items"] == []
    listed = (await owner.request_json("GET", f"/projects/{project['id']}/invitations"))["items"]
    assert [item["id"] for item in listed] == [old["id"]]
    new = await invite(owner, project, guest.email.upper(), "viewer")
    joined = (await accept(guest, new)).json()
    assert joined["my_role"] == "viewer"


async def test_invitation_of_invited_or_member_is_refused(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    member = await user_factory.create_member(project, "viewer")
    path = f"/projects/{project['id']}/invitations"
    refused = await owner.request("POST", path, {"email": member.email.upper()})
    assert status_and_code(refused) == (409, "already_member")
    bodies = [{"email": email} for email in ("New@example.com", "new@EXAMPLE.com") * 4]
    answers = await asyncio.gather(*(owner.request("POST", path, body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {status_and_code(answer)[1] for answer in answers if answer.status_code == 409} == {
        "already_invited"
    }
    other = await make_project(owner)
    await invite(owner, other, "new@example.com")


async def test_invitation_accepted_by_member_keeps_their_role(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    member = await user_factory.create_member(project, "viewer")
    invitation = await invite(owner, project, "another@example.com", "admin")
    await member.request_json("PATCH", f"/users/{member.id}", {"email": "another@example.com"})
    refused = await accept(member, invitation)
    assert status_and_code(refused) == (409, "already_member")
    assert (await member.request_json("GET", f"/projects/{project['id']}"))["my_role"] == "viewer"
    assert len((await member.request_json("GET", "/invitations"))["items"]) == 1


async def test_invitation_withdrawn_is_not_found(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest = await user_factory.create()
    invitation = await invite(owner, project, guest.email)
    path = f"/projects/{project['id']}/invitations/{invitation['id']}"
    other = await make_project(owner)
    elsewhere = f"/projects/{other['id']}/invitations/{invitation['id']}"
    assert status_and_code(await owner.request("DELETE", elsewhere)) == (
        404,
        "invitation_not_found",
    )
    assert status_and_code(await owner.request("DELETE", path, if_match='"7"')) == (
        412,
        "precondition_failed",
    )
    assert (await owner.request("DELETE", path, if_match='"1"')).status_code == 204
    assert status_and_code(await owner.request("DELETE", path)) == (404, "invitation_not_found")
    refused = await guest.request("POST", f"/invitations/{invitation['id']}/accept")
    assert status_and_code(refused) == (404, "invitation_not_found")


async def test_invitation_to_deleted_project_is_hidden_until_restored(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    guest = await user_factory.create()
    invitation = await invite(owner, project, guest.email)
    await owner.request_json("DELETE", f"/projects/{project['id']}")
    assert (await guest.request_json("GET", "/invitations"))["items"] == []
    assert status_and_code(await accept(guest, invitation)) == (404, "invitation_not_found")
    await owner.request_json("POST", f"/projects/{project['id']}/restore")
    assert (await accept(guest, invitation)).json()["my_role"] == "member"


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "nobody"}, {"email": "a@b.c", "role": "root"}, {"email": "a@b.c", "user_id": 1}],
)
async def test_invitation_invalid_body_is_refused(
    owner: ProjectUser, project: dict[str, Any], body: dict[str, Any]
) -> None:
    answer = await owner.request("POST", f"/projects/{project['id']}/invitations", body)
    assert answer.status_code == 422
