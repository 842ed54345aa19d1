"""The addresses of projects: the good paths, and what each of them refuses."""

from typing import Any
from uuid import uuid4

import pytest

from tests.relational.projects.factories import People, make_project, told
from tests.relational.users.statements import recorded_statements


async def test_project_is_created_read_and_changed(people: People) -> None:
    ada = await people.new()
    answer = await ada.ask("POST", "/projects", {"name": "Churn", "description": "Who leaves."})
    made = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1.owner"')
    assert answer.headers["location"] == f"/v1/projects/{made['id']}"
    assert (made["created_by"], made["my_role"], made["deleted_at"]) == (str(ada.id), "owner", None)
    path = f"/projects/{made['id']}"
    assert await ada.got("GET", path) == made
    members = (await ada.got("GET", f"{path}/members"))["items"]
    assert [(each["user_id"], each["role"]) for each in members] == [(str(ada.id), "owner")]
    changed = await ada.ask("PATCH", path, {"name": "Loss"}, if_match='"1.owner"')
    assert (changed.headers["etag"], changed.json()["name"]) == ('"2.owner"', "Loss")
    assert changed.json()["description"] == "Who leaves."
    assert told(await ada.ask("PATCH", path, {"name": "x"}, if_match='"1"')) == (
        412,
        "precondition_failed",
    )
    assert told(await ada.ask("DELETE", path, if_match='"1"')) == (412, "precondition_failed")
    assert (await ada.ask("GET", path, if_none_match='"2.owner"')).status_code == 304


async def test_project_etag_changes_with_own_role(people: People) -> None:
    owner = await people.new()
    project = await make_project(owner)
    other = await people.joined(project, "viewer")
    etag = (await other.ask("GET", f"/projects/{project['id']}")).headers["etag"]
    await owner.got("PATCH", f"/projects/{project['id']}/members/{other.id}", {"role": "admin"})
    again = await other.ask("GET", f"/projects/{project['id']}", if_none_match=etag)
    assert (again.status_code, again.json()["my_role"]) == (200, "admin")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": None}, {"name": "x" * 201}, {"name": "x", "slug": "y"},
        {"name": "a\x00"}, {"name": "x", "description": None}, {"name": "x", "my_role": "owner"},
    ],
)  # fmt: skip
async def test_project_invalid_body_is_refused(people: People, body: dict[str, Any]) -> None:
    ada = await people.new()
    assert (await ada.ask("POST", "/projects", body)).status_code == 422


async def test_project_create_with_same_key_is_done_once(people: People) -> None:
    ada = await people.new()
    answers = [
        await ada.ask("POST", "/projects", {"name": "Churn"}, idempotency_key="k") for _ in "ab"
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len((await ada.got("GET", "/projects"))["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None), ("PATCH", "", {}), ("DELETE", "", None), ("POST", "/restore", None),
        ("POST", "/leave", None), ("GET", "/members", None), ("GET", "/invitations", None),
        ("POST", "/invitations", {"email": "x@example.com"}),
        ("PATCH", "/members/{id}", {"role": "viewer"}), ("DELETE", "/members/{id}", None),
        ("GET", "/members/{id}", None), ("DELETE", "/invitations/{id}", None),
    ],
)  # fmt: skip
async def test_project_of_others_equals_unknown_project(
    people: People, method: str, path: str, body: Any
) -> None:
    project = await make_project(await people.new())
    outsider = await people.new()
    answers = []
    for project_id in (project["id"], str(uuid4())):
        address = f"/projects/{project_id}{path.format(id=outsider.id)}"
        answer = await outsider.ask(method, address, body)
        assert told(answer) == (404, "project_not_found")
        answers.append({**answer.json(), "instance": "", "request_id": ""})
    assert answers[0] == answers[1]


async def test_project_list_holds_own_memberships(people: People) -> None:
    ada, grace, admin_client = await people.new(), await people.new(), await people.new("admin")
    hers = [await make_project(ada, f"p{n}") for n in range(5)]
    await make_project(grace)
    joined = await people.joined(hers[0], "viewer")
    for person, count in ((ada, 5), (grace, 1), (joined, 1), (admin_client, 6)):
        page = await person.got("GET", "/projects?count=exact")
        assert (len(page["items"]), page["total"]) == (count, count)
    assert (await joined.got("GET", "/projects"))["items"][0]["my_role"] == "viewer"
    for person, role, count in (
        (ada, "owner", 5),
        (joined, "owner", 0),
        (admin_client, "owner", 0),
    ):
        found = (await person.got("GET", f"/projects?my_role={role}"))["items"]
        assert len(found) == count
    seen: list[str] = []
    more: str | None = ""
    while more is not None:
        page = await ada.got("GET", f"/projects?limit=2&sort=created_at{more}")
        seen += [project["name"] for project in page["items"]]
        cursor = page["page"]["next_cursor"]
        more = None if cursor is None else f"&cursor={cursor}"
    assert seen == [f"p{n}" for n in range(5)]


async def test_deleted_project_is_hidden_until_owner_restores_it(people: People) -> None:
    owner = await people.new()
    project = await make_project(owner)
    admin, admin_client = await people.joined(project, "admin"), await people.new("admin")
    path = f"/projects/{project['id']}"
    assert (await owner.ask("DELETE", path)).status_code == 204
    for person in (owner, admin, admin_client):
        assert told(await person.ask("GET", path)) == (404, "project_not_found")
        assert told(await person.ask("DELETE", path)) == (404, "project_not_found")
        assert told(await person.ask("GET", f"{path}/members")) == (404, "project_not_found")
        assert told(await person.ask("POST", f"{path}/leave")) == (404, "project_not_found")
        assert (await person.got("GET", "/projects"))["items"] == []
    assert (await admin.got("GET", "/projects?deleted=true"))["items"] == []
    assert told(await admin.ask("POST", f"{path}/restore")) == (404, "project_not_found")
    for person in (owner, admin_client):
        found = (await person.got("GET", "/projects?deleted=true"))["items"]
        assert [each["id"] for each in found] == [project["id"]]
        assert found[0]["deleted_at"] is not None
    restored = await owner.got("POST", f"{path}/restore")
    assert (restored["version"], restored["deleted_at"]) == (3, None)
    again = await admin_client.got("POST", f"{path}/restore")
    assert (again["version"], again["my_role"]) == (3, None)
    assert (await admin.got("GET", path))["my_role"] == "admin"


async def test_list_statements_do_not_grow_with_limit(people: People) -> None:
    owner = await people.new()
    projects = [await make_project(owner, f"p{n}") for n in range(8)]
    first = f"/projects/{projects[0]['id']}"
    for n in range(8):
        await people.joined(projects[0], "viewer")
        await owner.got("POST", f"{first}/invitations", {"email": f"new{n}@example.com"})
    for project in projects:
        await owner.got("POST", f"/projects/{project['id']}/invitations", {"email": "me@x.org"})
    me = await people.new(email="ME@x.org")
    lists = (
        (owner, "/projects", 1),
        (owner, f"{first}/members", 2),
        (owner, f"{first}/invitations", 2),
        (me, "/invitations", 1),
    )
    for person, path, statements in lists:
        await person.got("GET", path)  # so that the gate knows them
        for limit in (1, 8):
            with recorded_statements(people.state) as said:
                found = (await person.got("GET", f"{path}?limit={limit}"))["items"]
            assert (len(found), len(said)) == (limit, statements), path
