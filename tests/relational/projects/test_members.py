"""Members: their roles, how they go, and that the last owner stays."""

import asyncio
from uuid import uuid4

import httpx2
import pytest

from tests.relational.projects.factories import People, invite, make_project, told

AT_ONCE = 10


async def test_member_list_has_names_in_order_of_joining(people: People) -> None:
    owner = await people.new(name="Ada Lovelace", username="ada")
    project = await make_project(owner)
    viewer = await people.joined(project, "viewer")
    page = await viewer.got("GET", f"/projects/{project['id']}/members?count=exact")
    assert page["total"] == 2
    first, second = page["items"]
    assert (first["username"], first["name"], first["role"]) == ("ada", "Ada Lovelace", "owner")
    assert (second["user_id"], second["role"]) == (str(viewer.id), "viewer")
    assert "email" not in first
    one = await viewer.got("GET", f"/projects/{project['id']}/members/{owner.id}")
    assert one == first


async def test_member_role_change_with_stale_version_is_refused(people: People) -> None:
    owner = await people.new()
    project = await make_project(owner)
    other = await people.joined(project, "viewer")
    path = f"/projects/{project['id']}/members/{other.id}"
    etag = (await owner.ask("GET", path)).headers["etag"]
    changed = await owner.ask("PATCH", path, {"role": "admin"}, if_match=etag)
    assert (changed.json()["version"], changed.json()["role"]) == (2, "admin")
    assert changed.headers["etag"].startswith('"2.')
    again = await owner.ask("PATCH", path, {"role": "member"}, if_match='"1"')
    assert told(again) == (412, "precondition_failed")
    assert told(await owner.ask("DELETE", path, if_match='"1"')) == (412, "precondition_failed")
    assert (await owner.ask("DELETE", path, if_match='"2"')).status_code == 204
    assert told(await owner.ask("GET", path)) == (404, "member_not_found")
    assert told(await other.ask("GET", path)) == (404, "project_not_found")


async def test_member_etag_changes_with_user_name(people: People) -> None:
    owner = await people.new(name="Ada")
    path = f"/projects/{(await make_project(owner))['id']}/members/{owner.id}"
    etag = (await owner.ask("GET", path)).headers["etag"]
    assert (await owner.ask("GET", path, if_none_match=etag)).status_code == 304
    await owner.got("PATCH", f"/users/{owner.id}", {"name": "Ada Lovelace"})
    again = await owner.ask("GET", path, if_none_match=etag)
    assert (again.status_code, again.json()["name"]) == (200, "Ada Lovelace")
    assert (await owner.ask("PATCH", path, {"role": "owner"}, if_match=etag)).status_code == 200


@pytest.mark.parametrize("role", ["root", "", None, "Owner", ["owner"]])
async def test_member_unknown_role_is_refused(people: People, role: object) -> None:
    owner = await people.new()
    project = await make_project(owner)
    path = f"/projects/{project['id']}/members/{owner.id}"
    assert (await owner.ask("PATCH", path, {"role": role})).status_code == 422


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_member_of_no_project_is_not_found(people: People, method: str) -> None:
    owner, elsewhere = await people.new(), await people.new()
    project, _ = await make_project(owner), await make_project(elsewhere)
    for user_id in (elsewhere.id, uuid4()):
        path = f"/projects/{project['id']}/members/{user_id}"
        body = {"role": "viewer"} if method == "PATCH" else None
        assert told(await owner.ask(method, path, body)) == (404, "member_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/leave", None),
        ("DELETE", "/members/{owner}", None),
        ("PATCH", "/members/{owner}", {"role": "admin"}),
    ],
)
async def test_last_owner_cannot_leave_or_be_demoted(
    people: People, method: str, path: str, body: dict[str, str] | None
) -> None:
    owner, admin_client = await people.new(), await people.new("admin")
    project = await make_project(owner)
    await people.joined(project, "admin")
    address = f"/projects/{project['id']}{path.format(owner=owner.id)}"
    for person in (owner, admin_client) if method != "POST" else (owner,):
        refused = await person.ask(method, address, body)
        assert told(refused) == (409, "last_owner")
        kept = await owner.ask(method, address, body, idempotency_key="k")
        assert told(kept) == (409, "last_owner")
    found = await owner.got("GET", f"/projects/{project['id']}/members/{owner.id}")
    assert (found["role"], found["version"]) == ("owner", 1)
    other = await people.joined(project, "owner")
    assert (await owner.ask(method, address, body)).is_success
    left = await other.got("GET", f"/projects/{project['id']}/members")
    assert [each["user_id"] for each in left["items"] if each["role"] == "owner"] == [str(other.id)]


async def test_leave_repeated_is_not_found_or_replayed(people: People) -> None:
    project = await make_project(await people.new())
    member = await people.joined(project, "member")
    path = f"/projects/{project['id']}/leave"
    left = await member.ask("POST", path, idempotency_key="bye")
    assert (left.status_code, left.content) == (204, b"")
    again = await member.ask("POST", path, idempotency_key="bye")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (204, "true")
    assert told(await member.ask("POST", path)) == (404, "project_not_found")


async def test_leave_two_owners_concurrently_one_stays(people: People) -> None:
    for _ in range(AT_ONCE):
        one = await people.new()
        project = await make_project(one)
        other = await people.joined(project, "owner")
        path = f"/projects/{project['id']}/leave"
        answers = await asyncio.gather(one.ask("POST", path), other.ask("POST", path))
        assert sorted(answer.status_code for answer in answers) == [204, 409]
        assert {told(each) for each in answers if each.content} == {(409, "last_owner")}
        await _has_one_owner(people, project["id"])


async def test_owners_removing_each_other_concurrently_one_stays(
    people: People,
) -> None:
    for turn in range(AT_ONCE):
        one = await people.new()
        project = await make_project(one)
        other = await people.joined(project, "owner")
        path = f"/projects/{project['id']}/members"
        if turn % 2:
            deeds = (
                one.ask("PATCH", f"{path}/{other.id}", {"role": "viewer"}),
                other.ask("PATCH", f"{path}/{one.id}", {"role": "viewer"}),
            )
        else:
            deeds = (
                one.ask("DELETE", f"{path}/{other.id}"),
                other.ask("DELETE", f"{path}/{one.id}"),
            )
        answers = await asyncio.gather(*deeds)
        assert sum(answer.is_success for answer in answers) == 1
        # The second one finds themselves a viewer, or out.
        assert {told(each)[0] for each in answers if not each.is_success} == {
            403 if turn % 2 else 404
        }
        await _has_one_owner(people, project["id"])


async def test_permission_removed_while_request_waits_is_refused(people: People) -> None:
    for _ in range(AT_ONCE):
        owner = await people.new()
        project = await make_project(owner)
        admin = await people.joined(project, "admin")
        path = f"/projects/{project['id']}"
        demoted, _ = await asyncio.gather(
            owner.ask("PATCH", f"{path}/members/{admin.id}", {"role": "viewer"}),
            admin.ask("PATCH", f"{path}/members/{admin.id}", {"role": "admin"}),
        )
        assert demoted.status_code == 200
        found = await owner.got("GET", f"{path}/members/{admin.id}")
        assert found["role"] == "viewer"


async def test_member_role_changes_are_recorded_in_audit_trail(people: People) -> None:
    owner, admin_client = await people.new(), await people.new("admin")
    project, guest = await make_project(owner), await people.new(email="guest@example.com")
    invitation = await invite(owner, project, "guest@example.com", "viewer")
    await guest.got("POST", f"/invitations/{invitation['id']}/accept")
    path = f"/projects/{project['id']}/members/{guest.id}"
    for role in ("admin", "admin"):
        await owner.got("PATCH", path, {"role": role})
    await owner.got("DELETE", path)
    query = f"act=project_role_changed&subject_id={guest.id}&sort=created_at"
    events = (await admin_client.got("GET", f"/audit_events?{query}"))["items"]
    roles = [(each["details"]["before"], each["details"]["after"]) for each in events]
    assert roles == [(None, "viewer"), ("viewer", "admin"), ("admin", None)]
    assert {each["details"]["project_id"] for each in events} == {project["id"]}
    assert [each["user_id"] for each in events] == [str(guest.id), str(owner.id), str(owner.id)]


async def _has_one_owner(people: People, project_id: str) -> None:
    admin_client = await people.new("admin")
    members: httpx2.Response = await admin_client.ask("GET", f"/projects/{project_id}/members")
    assert [each["role"] for each in members.json()["items"]].count("owner") == 1
