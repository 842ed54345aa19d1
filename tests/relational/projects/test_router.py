"""Routes of projects: success and errors."""

from typing import Any
from uuid import uuid4

import pytest

from tests.relational.projects.factories import UserFactory, make_project, status_and_code
from tests.relational.users.statements import recorded_statements


async def test_project_is_created_read_and_changed(user_factory: UserFactory) -> None:
    ada = await user_factory.create()
    answer = await ada.request("POST", "/projects", {"name": "Churn", "description": "Who leaves."})
    made = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1.owner"')
    assert answer.headers["location"] == f"/v1/projects/{made['id']}"
    assert (made["created_by"], made["my_role"], made["deleted_at"]) == (str(ada.id), "owner", None)
    path = f"/projects/{made['id']}"
    assert await ada.request_json("GET", path) == made
    members = (await ada.request_json("GET", f"{path}/members"))["items"]
    assert [(member["user_id"], member["role"]) for member in members] == [(str(ada.id), "owner")]
    changed = await ada.request("PATCH", path, {"name": "Loss"}, if_match='"1.owner"')
    assert (changed.headers["etag"], changed.json()["name"]) == ('"2.owner"', "Loss")
    assert changed.json()["description"] == "Who leaves."
    assert status_and_code(await ada.request("PATCH", path, {"name": "x"}, if_match='"1"')) == (
        412,
        "precondition_failed",
    )
    assert status_and_code(await ada.request("DELETE", path, if_match='"1"')) == (
        412,
        "precondition_failed",
    )
    assert (await ada.request("GET", path, if_none_match='"2.owner"')).status_code == 304


async def test_project_etag_changes_with_own_role(user_factory: UserFactory) -> None:
    owner = await user_factory.create()
    project = await make_project(owner)
    other = await user_factory.create_member(project, "viewer")
    etag = (await other.request("GET", f"/projects/{project['id']}")).headers["etag"]
    await owner.request_json(
        "PATCH", f"/projects/{project['id']}/members/{other.id}", {"role": "admin"}
    )
    again = await other.request("GET", f"/projects/{project['id']}", if_none_match=etag)
    assert (again.status_code, again.json()["my_role"]) == (200, "admin")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": None}, {"name": "x" * 201}, {"name": "x", "slug": "y"},
        {"name": "a\x00"}, {"name": "x", "description": None}, {"name": "x", "my_role": "owner"},
    ],
)  # fmt: skip
async def test_project_invalid_body_is_refused(
    user_factory: UserFactory, body: dict[str, Any]
) -> None:
    ada = await user_factory.create()
    assert (await ada.request("POST", "/projects", body)).status_code == 422


async def test_project_create_with_same_key_is_done_once(user_factory: UserFactory) -> None:
    ada = await user_factory.create()
    answers = [
        await ada.request("POST", "/projects", {"name": "Churn"}, idempotency_key="k") for _ in "ab"
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert len((await ada.request_json("GET", "/projects"))["items"]) == 1


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
    user_factory: UserFactory, method: str, path: str, body: Any
) -> None:
    project = await make_project(await user_factory.create())
    outsider = await user_factory.create()
    answers = []
    for project_id in (project["id"], str(uuid4())):
        address = f"/projects/{project_id}{path.format(id=outsider.id)}"
        answer = await outsider.request(method, address, body)
        assert status_and_code(answer) == (404, "project_not_found")
        answers.append({**answer.json(), "instance": "", "request_id": ""})
    assert answers[0] == answers[1]


async def test_project_list_holds_own_memberships(user_factory: UserFactory) -> None:
    ada, grace, admin_client = (
        await user_factory.create(),
        await user_factory.create(),
        await user_factory.create("admin"),
    )
    hers = [await make_project(ada, f"p{n}") for n in range(5)]
    await make_project(grace)
    joined = await user_factory.create_member(hers[0], "viewer")
    for person, count in ((ada, 5), (grace, 1), (joined, 1), (admin_client, 6)):
        page = await person.request_json("GET", "/projects?count=exact")
        assert (len(page["items"]), page["total"]) == (count, count)
    assert (await joined.request_json("GET", "/projects"))["items"][0]["my_role"] == "viewer"
    for person, role, count in (
        (ada, "owner", 5),
        (joined, "owner", 0),
        (admin_client, "owner", 0),
    ):
        items = (await person.request_json("GET", f"/projects?my_role={role}"))["items"]
        assert len(items) == count
    names: list[str] = []
    more: str | None = ""
    while more is not None:
        page = await ada.request_json("GET", f"/projects?limit=2&sort=created_at{more}")
        names += [project["name"] for project in page["items"]]
        cursor = page["page"]["next_cursor"]
        more = None if cursor is None else f"&cursor={cursor}"
    assert names == [f"p{n}" for n in range(5)]


async def test_deleted_project_is_hidden_until_owner_restores_it(user_factory: UserFactory) -> None:
    owner = await user_factory.create()
    project = await make_project(owner)
    admin, admin_client = (
        await user_factory.create_member(project, "admin"),
        await user_factory.create("admin"),
    )
    path = f"/projects/{project['id']}"
    assert (await owner.request("DELETE", path)).status_code == 204
    page = await owner.request_json("GET", "/projects?deleted=true&count=estimated")
    assert [(item["id"], type(page["total"])) for item in page["items"]] == [(project["id"], int)]
    for person in (owner, admin, admin_client):
        assert status_and_code(await person.request("GET", path)) == (404, "project_not_found")
        assert status_and_code(await person.request("DELETE", path)) == (404, "project_not_found")
        assert status_and_code(await person.request("GET", f"{path}/members")) == (
            404,
            "project_not_found",
        )
        assert status_and_code(await person.request("POST", f"{path}/leave")) == (
            404,
            "project_not_found",
        )
        assert (await person.request_json("GET", "/projects"))["items"] == []
    assert (await admin.request_json("GET", "/projects?deleted=true"))["items"] == []
    assert status_and_code(await admin.request("POST", f"{path}/restore")) == (
        404,
        "project_not_found",
    )
    for person in (owner, admin_client):
        items = (await person.request_json("GET", "/projects?deleted=true"))["items"]
        assert [item["id"] for item in items] == [project["id"]]
        assert items[0]["deleted_at"] is not None
    restored = await owner.request_json("POST", f"{path}/restore")
    assert (restored["version"], restored["deleted_at"]) == (3, None)
    again = await admin_client.request_json("POST", f"{path}/restore")
    assert (again["version"], again["my_role"]) == (3, None)
    assert (await admin.request_json("GET", path))["my_role"] == "admin"


async def test_list_statements_do_not_grow_with_limit(user_factory: UserFactory) -> None:
    owner = await user_factory.create()
    projects = [await make_project(owner, f"p{n}") for n in range(8)]
    first = f"/projects/{projects[0]['id']}"
    for n in range(8):
        await user_factory.create_member(projects[0], "viewer")
        await owner.request_json("POST", f"{first}/invitations", {"email": f"new{n}@example.com"})
    for project in projects:
        await owner.request_json(
            "POST", f"/projects/{project['id']}/invitations", {"email": "me@x.org"}
        )
    me = await user_factory.create(email="ME@x.org")
    lists = (
        (owner, "/projects", 1),
        (owner, f"{first}/members", 2),
        (owner, f"{first}/invitations", 2),
        (me, "/invitations", 1),
    )
    for person, path, count in lists:
        await person.request_json("GET", path)  # caches the credentials
        for limit in (1, 8):
            with recorded_statements(user_factory.state) as statements:
                items = (await person.request_json("GET", f"{path}?limit={limit}"))["items"]
            assert (len(items), len(statements)) == (limit, count), path
