"""Invitations: by email, whatever the case; answered once, in time, by who has the email."""

import asyncio
from typing import Any

import pytest

from tests.relational.projects.factories import People, Someone, invite, make_project, told

LATER = "UPDATE project_invitations SET expires_at = now() - interval '1 second' WHERE id = :id"


@pytest.fixture
async def owner(people: People) -> Someone:
    return await people.new()


@pytest.fixture
async def project(owner: Someone) -> dict[str, Any]:
    return await make_project(owner)


async def test_invitation_invited_user_lists_and_accepts_it(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    guest = await people.new(email="Grace@Example.com")
    answer = await owner.ask(
        "POST", f"/projects/{project['id']}/invitations", {"email": "GRACE@example.COM"}
    )
    made = answer.json()
    path = f"/projects/{project['id']}/invitations/{made['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1{path}")
    assert (made["role"], made["invited_by"]) == ("member", str(owner.id))
    assert await owner.got("GET", path) == made
    (mine,) = (await guest.got("GET", "/invitations"))["items"]
    assert (mine["id"], mine["project_name"]) == (made["id"], "Churn")
    joined = await guest.got("POST", f"/invitations/{made['id']}/accept")
    assert (joined["id"], joined["my_role"]) == (project["id"], "member")
    assert (await guest.got("GET", "/invitations"))["items"] == []
    assert (await owner.got("GET", f"/projects/{project['id']}/invitations"))["items"] == []
    assert told(await owner.ask("GET", path)) == (404, "invitation_not_found")


async def test_invitation_is_visible_to_user_registered_later(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    here = await people.new(email="here@example.com")
    answers = [await invite(owner, project, email) for email in (here.email, "new@example.com")]
    kinds = [{name: type(value) for name, value in answer.items()} for answer in answers]
    assert kinds[0] == kinds[1], "whether there is an account makes no difference"
    newcomer = await people.new(email="new@example.com")
    await newcomer.got("POST", f"/invitations/{answers[1]['id']}/accept")


async def test_invitation_is_hidden_from_other_users(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    invitation = await invite(owner, project, "guest@example.com")
    await people.new(email="guest@example.com")
    for person in (owner, await people.new(), await people.new("admin")):
        assert (await person.got("GET", "/invitations"))["items"] == []
        for deed in ("accept", "decline"):
            refused = await person.ask("POST", f"/invitations/{invitation['id']}/{deed}")
            assert told(refused) == (404, "invitation_not_found")


@pytest.mark.parametrize("first", ["accept", "decline"])
@pytest.mark.parametrize("second", ["accept", "decline"])
async def test_invitation_can_be_answered_once(
    people: People, owner: Someone, project: dict[str, Any], first: str, second: str
) -> None:
    guest = await people.new()
    path = f"/invitations/{(await invite(owner, project, guest.email))['id']}"
    once = await guest.ask("POST", f"{path}/{first}", idempotency_key="k")
    again = await guest.ask("POST", f"{path}/{first}", idempotency_key="k")
    assert (once.status_code, again.json()) == (200, once.json())
    assert told(await guest.ask("POST", f"{path}/{second}")) == (409, "invitation_answered")
    status = 200 if first == "accept" else 404
    assert (await guest.ask("GET", f"/projects/{project['id']}")).status_code == status


async def test_invitation_two_concurrent_accepts_one_succeeds(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    for _ in range(10):
        guest = await people.new()
        path = f"/invitations/{(await invite(owner, project, guest.email))['id']}/accept"
        answers = await asyncio.gather(*(guest.ask("POST", path) for _ in range(3)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
        assert {told(each)[1] for each in answers if each.status_code == 409} == {
            "invitation_answered"
        }
    found = await owner.got("GET", f"/projects/{project['id']}/members?count=exact")
    assert found["total"] == 11


async def test_invitation_concurrent_accept_and_withdrawal_one_succeeds(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    for _ in range(10):
        guest = await people.new()
        invitation = await invite(owner, project, guest.email)
        accepted, withdrawn = await asyncio.gather(
            guest.ask("POST", f"/invitations/{invitation['id']}/accept"),
            owner.ask("DELETE", f"/projects/{project['id']}/invitations/{invitation['id']}"),
        )
        statuses = (accepted.status_code, withdrawn.status_code)
        assert statuses in {(200, 404), (404, 204)}
        member = await owner.ask("GET", f"/projects/{project['id']}/members/{guest.id}")
        assert member.status_code == accepted.status_code


async def test_invitation_expired_can_be_replaced(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    guest = await people.new()
    old = await invite(owner, project, guest.email)
    await people.execute(LATER, id=old["id"])
    for deed in ("accept", "decline"):
        refused = await guest.ask("POST", f"/invitations/{old['id']}/{deed}")
        assert told(refused) == (409, "invitation_expired")
    assert (await guest.got("GET", "/invitations"))["items"] == []
    listed = (await owner.got("GET", f"/projects/{project['id']}/invitations"))["items"]
    assert [each["id"] for each in listed] == [old["id"]]
    new = await invite(owner, project, guest.email.upper(), "viewer")
    joined = await guest.got("POST", f"/invitations/{new['id']}/accept")
    assert joined["my_role"] == "viewer"


async def test_invitation_of_invited_or_member_is_refused(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    member = await people.joined(project, "viewer")
    path = f"/projects/{project['id']}/invitations"
    refused = await owner.ask("POST", path, {"email": member.email.upper()})
    assert told(refused) == (409, "already_member")
    bodies = [{"email": email} for email in ("New@example.com", "new@EXAMPLE.com") * 4]
    answers = await asyncio.gather(*(owner.ask("POST", path, body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {told(each)[1] for each in answers if each.status_code == 409} == {"already_invited"}
    other = await make_project(owner)
    await invite(owner, other, "new@example.com")


async def test_invitation_accepted_by_member_keeps_their_role(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    member = await people.joined(project, "viewer")
    invitation = await invite(owner, project, "another@example.com", "admin")
    await member.got("PATCH", f"/users/{member.id}", {"email": "another@example.com"})
    refused = await member.ask("POST", f"/invitations/{invitation['id']}/accept")
    assert told(refused) == (409, "already_member")
    assert (await member.got("GET", f"/projects/{project['id']}"))["my_role"] == "viewer"
    assert len((await member.got("GET", "/invitations"))["items"]) == 1


async def test_invitation_withdrawn_is_not_found(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    guest = await people.new()
    invitation = await invite(owner, project, guest.email)
    path = f"/projects/{project['id']}/invitations/{invitation['id']}"
    other = await make_project(owner)
    elsewhere = f"/projects/{other['id']}/invitations/{invitation['id']}"
    assert told(await owner.ask("DELETE", elsewhere)) == (404, "invitation_not_found")
    assert told(await owner.ask("DELETE", path, if_match='"7"')) == (412, "precondition_failed")
    assert (await owner.ask("DELETE", path, if_match='"1"')).status_code == 204
    assert told(await owner.ask("DELETE", path)) == (404, "invitation_not_found")
    refused = await guest.ask("POST", f"/invitations/{invitation['id']}/accept")
    assert told(refused) == (404, "invitation_not_found")


async def test_invitation_to_deleted_project_is_hidden_until_restored(
    people: People, owner: Someone, project: dict[str, Any]
) -> None:
    guest = await people.new()
    path = f"/invitations/{(await invite(owner, project, guest.email))['id']}/accept"
    await owner.got("DELETE", f"/projects/{project['id']}")
    assert (await guest.got("GET", "/invitations"))["items"] == []
    assert told(await guest.ask("POST", path)) == (404, "invitation_not_found")
    await owner.got("POST", f"/projects/{project['id']}/restore")
    assert (await guest.got("POST", path))["my_role"] == "member"


@pytest.mark.parametrize(
    "body",
    [{}, {"email": "nobody"}, {"email": "a@b.c", "role": "root"}, {"email": "a@b.c", "user_id": 1}],
)
async def test_invitation_invalid_body_is_refused(
    owner: Someone, project: dict[str, Any], body: dict[str, Any]
) -> None:
    answer = await owner.ask("POST", f"/projects/{project['id']}/invitations", body)
    assert answer.status_code == 422
