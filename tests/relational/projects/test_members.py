"""Members: changes of roles, removal, and protection of the last owner."""

import asyncio
from uuid import uuid4

import httpx2
import pytest

from tests.relational.projects.factories import (
    UserFactory,
    accept,
    invite,
    make_project,
    status_and_code,
)

AT_ONCE = 10


async def test_member_list_has_names_in_order_of_joining(user_factory: UserFactory) -> None:
    owner = await user_factory.create(name="Ada Lovelace", username="ada")
    project = await make_project(owner)
    viewer = await user_factory.create_member(project, "viewer")
    page = await viewer.request_json("GET", f"/projects/{project['id']}/members?count=exact")
    assert page["total"] == 2
    first, second = page["items"]
    assert (first["username"], first["name"], first["role"]) == ("ada", "Ada Lovelace", "owner")
    assert (second["user_id"], second["role"]) == (str(viewer.id), "viewer")
    assert "email" not in first
    one = await viewer.request_json("GET", f"/projects/{project['id']}/members/{owner.id}")
    assert one == first


async def test_member_role_change_with_stale_version_is_refused(user_factory: UserFactory) -> None:
    owner = await user_factory.create()
    project = await make_project(owner)
    other = await user_factory.create_member(project, "viewer")
    path = f"/projects/{project['id']}/members/{other.id}"
    etag = (await owner.request("GET", path)).headers["etag"]
    changed = await owner.request("PATCH", path, {"role": "admin"}, if_match=etag)
    assert (changed.json()["version"], changed.json()["role"]) == (2, "admin")
    assert changed.headers["etag"].startswith('"2.')
    again = await owner.request("PATCH", path, {"role": "member"}, if_match='"1"')
    assert status_and_code(again) == (412, "precondition_failed")
    assert status_and_code(await owner.request("DELETE", path, if_match='"1"')) == (
        412,
        "precondition_failed",
    )
    assert (await owner.request("DELETE", path, if_match='"2"')).status_code == 204
    assert status_and_code(await owner.request("GET", path)) == (404, "member_not_found")
    assert status_and_code(await other.request("GET", path)) == (404, "project_not_found")


async def test_member_etag_changes_with_user_name(user_factory: UserFactory) -> None:
    owner = await user_factory.create(name="Ada")
    path = f"/projects/{(await make_project(owner))['id']}/members/{owner.id}"
    etag = (await owner.request("GET", path)).headers["etag"]
    assert (await owner.request("GET", path, if_none_match=etag)).status_code == 304
    await owner.request_json("PATCH", f"/users/{owner.id}", {"name": "Ada Lovelace"})
    again = await owner.request("GET", path, if_none_match=etag)
    assert (again.status_code, again.json()["name"]) == (200, "Ada Lovelace")
    assert (await owner.request("PATCH", path, {"role": "owner"}, if_match=etag)).status_code == 200


@pytest.mark.parametrize("role", ["root", "", None, "Owner", ["owner"]])
async def test_member_unknown_role_is_refused(user_factory: UserFactory, role: object) -> None:
    owner = await user_factory.create()
    project = await make_project(owner)
    path = f"/projects/{project['id']}/members/{owner.id}"
    assert (await owner.request("PATCH", path, {"role": role})).status_code == 422


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_member_of_no_project_is_not_found(user_factory: UserFactory, method: str) -> None:
    owner, elsewhere = await user_factory.create(), await user_factory.create()
    project, _ = await make_project(owner), await make_project(elsewhere)
    for user_id in (elsewhere.id, uuid4()):
        path = f"/projects/{project['id']}/members/{user_id}"
        body = {"role": "viewer"} if method == "PATCH" else None
        assert status_and_code(await owner.request(method, path, body)) == (404, "member_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/leave", None),
        ("DELETE", "/members/{owner}", None),
        ("PATCH", "/members/{owner}", {"role": "admin"}),
    ],
)
async def test_last_owner_cannot_leave_or_be_demoted(
    user_factory: UserFactory, method: str, path: str, body: dict[str, str] | None
) -> None:
    owner, admin_client = await user_factory.create(), await user_factory.create("admin")
    project = await make_project(owner)
    await user_factory.create_member(project, "admin")
    address = f"/projects/{project['id']}{path.format(owner=owner.id)}"
    for person in (owner, admin_client) if method != "POST" else (owner,):
        refused = await person.request(method, address, body)
        assert status_and_code(refused) == (409, "last_owner")
        kept = await owner.request(method, address, body, idempotency_key="k")
        assert status_and_code(kept) == (409, "last_owner")
    member = await owner.request_json("GET", f"/projects/{project['id']}/members/{owner.id}")
    assert (member["role"], member["version"]) == ("owner", 1)
    other = await user_factory.create_member(project, "owner")
    assert (await owner.request(method, address, body)).is_success
    left = await other.request_json("GET", f"/projects/{project['id']}/members")
    assert [item["user_id"] for item in left["items"] if item["role"] == "owner"] == [str(other.id)]


async def test_leave_repeated_is_not_found_or_replayed(user_factory: UserFactory) -> None:
    project = await make_project(await user_factory.create())
    member = await user_factory.create_member(project, "member")
    path = f"/projects/{project['id']}/leave"
    left = await member.request("POST", path, idempotency_key="bye")
    assert (left.status_code, left.content) == (204, b"")
    again = await member.request("POST", path, idempotency_key="bye")
    assert (again.status_code, again.headers["idempotency-replayed"]) == (204, "true")
    assert status_and_code(await member.request("POST", path)) == (404, "project_not_found")


async def test_leave_two_owners_concurrently_one_stays(user_factory: UserFactory) -> None:
    for _ in range(AT_ONCE):
        one = await user_factory.create()
        project = await make_project(one)
        other = await user_factory.create_member(project, "owner")
        path = f"/projects/{project['id']}/leave"
        answers = await asyncio.gather(one.request("POST", path), other.request("POST", path))
        assert sorted(answer.status_code for answer in answers) == [204, 409]
        assert {status_and_code(answer) for answer in answers if answer.content} == {
            (409, "last_owner")
        }
        await _has_one_owner(user_factory, project["id"])


async def test_owners_removing_each_other_concurrently_one_stays(
    user_factory: UserFactory,
) -> None:
    for turn in range(AT_ONCE):
        one = await user_factory.create()
        project = await make_project(one)
        other = await user_factory.create_member(project, "owner")
        path = f"/projects/{project['id']}/members"
        if turn % 2:
            requests = (
                one.request("PATCH", f"{path}/{other.id}", {"role": "viewer"}),
                other.request("PATCH", f"{path}/{one.id}", {"role": "viewer"}),
            )
        else:
            requests = (
                one.request("DELETE", f"{path}/{other.id}"),
                other.request("DELETE", f"{path}/{one.id}"),
            )
        answers = await asyncio.gather(*requests)
        assert sum(answer.is_success for answer in answers) == 1
        # The second request comes from a viewer or from a removed member.
        assert {status_and_code(answer)[0] for answer in answers if not answer.is_success} == {
            403 if turn % 2 else 404
        }
        await _has_one_owner(user_factory, project["id"])


async def test_permission_removed_while_request_waits_is_refused(user_factory: UserFactory) -> None:
    for _ in range(AT_ONCE):
        owner = await user_factory.create()
        project = await make_project(owner)
        admin = await user_factory.create_member(project, "admin")
        path = f"/projects/{project['id']}"
        demoted, _ = await asyncio.gather(
            owner.request("PATCH", f"{path}/members/{admin.id}", {"role": "viewer"}),
            admin.request("PATCH", f"{path}/members/{admin.id}", {"role": "admin"}),
        )
        assert demoted.status_code == 200
        body = await owner.request_json("GET", f"{path}/members/{admin.id}")
        assert body["role"] == "viewer"


async def test_member_role_changes_are_recorded_in_audit_trail(user_factory: UserFactory) -> None:
    owner, admin_client = await user_factory.create(), await user_factory.create("admin")
    project, guest = await make_project(owner), await user_factory.create(email="guest@example.com")
    invitation = await invite(owner, project, "guest@example.com", "viewer")
    await accept(guest, invitation)
    path = f"/projects/{project['id']}/members/{guest.id}"
    for role in ("admin", "admin"):
        await owner.request_json("PATCH", path, {"role": role})
    await owner.request_json("DELETE", path)
    query = f"act=project_role_changed&subject_id={guest.id}&sort=created_at"
    events = (await admin_client.request_json("GET", f"/audit_events?{query}"))["items"]
    roles = [(event["details"]["before"], event["details"]["after"]) for event in events]
    assert roles == [(None, "viewer"), ("viewer", "admin"), ("admin", None)]
    assert {event["details"]["project_id"] for event in events} == {project["id"]}
    assert [event["user_id"] for event in events] == [str(guest.id), str(owner.id), str(owner.id)]


async def _has_one_owner(user_factory: UserFactory, project_id: str) -> None:
    admin_client = await user_factory.create("admin")
    members: httpx2.Response = await admin_client.request("GET", f"/projects/{project_id}/members")
    assert [member["role"] for member in members.json()["items"]].count("owner") == 1
