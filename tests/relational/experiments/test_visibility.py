"""Experiments of a project are its members' alone, with their runs."""

from typing import Any

import pytest

from service.main import State
from tests.relational.projects.factories import (
    ProjectUser,
    UserFactory,
    make_project,
    status_and_code,
)


@pytest.fixture
async def owner(user_factory: UserFactory) -> ProjectUser:
    return await user_factory.create()


@pytest.fixture
async def project(owner: ProjectUser) -> dict[str, Any]:
    return await make_project(owner)


@pytest.fixture
async def experiment(owner: ProjectUser, project: dict[str, Any]) -> dict[str, Any]:
    body = {"name": "secret", "project_id": project["id"]}
    made: dict[str, Any] = await owner.request_json("POST", "/experiments", body)
    return made


@pytest.fixture
async def run(owner: ProjectUser, experiment: dict[str, Any]) -> dict[str, Any]:
    body = {"experiment_id": experiment["id"]}
    made: dict[str, Any] = await owner.request_json("POST", "/runs", body)
    return made


async def test_stranger_finds_nothing_of_a_project(
    user_factory: UserFactory, experiment: dict[str, Any], run: dict[str, Any]
) -> None:
    stranger = await user_factory.create()
    await make_project(stranger)
    of_experiment, of_run = f"/experiments/{experiment['id']}", f"/runs/{run['id']}"
    for method, path, body in (
        ("GET", of_experiment, None), ("PATCH", of_experiment, {"name": "x"}),
        ("DELETE", of_experiment, None), ("PUT", f"{of_experiment}/tags/a", {"value": "b"}),
        ("DELETE", f"{of_experiment}/tags/a", None), ("POST", f"{of_experiment}/restore", None),
        ("POST", f"{of_experiment}/purge", None), ("GET", of_run, None),
        ("PATCH", of_run, {"name": "x"}), ("DELETE", of_run, None),
        ("PUT", f"{of_run}/tags/a", {"value": "b"}), ("DELETE", f"{of_run}/tags/a", None),
        ("POST", f"{of_run}/restore", None), ("POST", f"{of_run}/purge", None),
        ("POST", f"{of_run}/log", {"params": {"a": "b"}}), ("POST", f"{of_run}/log", {}),
        ("POST", "/runs", {"experiment_id": experiment["id"]}),
    ):  # fmt: skip
        answer = await stranger.request(method, path, body)
        assert answer.status_code == 404, (method, path, answer.text)
    listed = await stranger.request_json("GET", "/experiments?count=exact")
    assert ([one["name"] for one in listed["items"]], listed["total"]) == (["Default"], 1)


async def test_viewer_sees_and_may_not_change(
    user_factory: UserFactory,
    project: dict[str, Any],
    experiment: dict[str, Any],
    run: dict[str, Any],
) -> None:
    viewer = await user_factory.create_member(project, "viewer")
    of_experiment, of_run = f"/experiments/{experiment['id']}", f"/runs/{run['id']}"
    assert await viewer.request_json("GET", of_experiment) == experiment
    assert await viewer.request_json("GET", of_run) == run
    assert len((await viewer.request_json("GET", "/experiments"))["items"]) == 2
    for method, path, body in (
        ("PATCH", of_experiment, {"name": "x"}), ("PATCH", of_experiment, {}),
        ("DELETE", of_experiment, None), ("PUT", f"{of_experiment}/tags/a", {"value": "b"}),
        ("POST", f"{of_experiment}/restore", None), ("PATCH", of_run, {"status": "KILLED"}),
        ("DELETE", of_run, None), ("PUT", f"{of_run}/tags/a", {"value": "b"}),
        ("POST", f"{of_run}/log", {"params": {"a": "b"}}), ("POST", f"{of_run}/log", {}),
        ("POST", f"{of_run}/log", {"metrics": [{"key": "a", "value": 1}]}),
        ("POST", "/runs", {"experiment_id": experiment["id"]}),
    ):  # fmt: skip
        answer = await viewer.request(method, path, body)
        assert status_and_code(answer) == (403, "experiment_read_only"), (method, path)
    purge = await viewer.request("POST", f"{of_run}/purge")
    assert status_and_code(purge) == (403, "purge_forbidden")
    body = {"name": "more", "project_id": project["id"]}
    refused = await viewer.request("POST", "/experiments", body)
    assert status_and_code(refused) == (403, "project_role_too_weak")


async def test_member_changes_and_admin_purges(
    user_factory: UserFactory, project: dict[str, Any], run: dict[str, Any]
) -> None:
    member = await user_factory.create_member(project, "member")
    admin = await user_factory.create_member(project, "admin")
    path = f"/runs/{run['id']}"
    logged = await member.request_json("POST", f"{path}/log", {"params": {"a": "b"}})
    assert logged == {"metrics": 0, "params": 1, "tags": 0}
    await member.request_json("DELETE", path)
    refused = await member.request("POST", f"{path}/purge")
    assert status_and_code(refused) == (403, "purge_forbidden")
    assert (await admin.request_json("POST", f"{path}/purge"))["complete"]


async def test_experiments_of_a_deleted_project_are_hidden(
    user_factory: UserFactory,
    owner: ProjectUser,
    project: dict[str, Any],
    experiment: dict[str, Any],
) -> None:
    await owner.request_json("DELETE", f"/projects/{project['id']}")
    path = f"/experiments/{experiment['id']}"
    assert (await owner.request("GET", path)).status_code == 404
    administrator = await user_factory.create("admin")
    assert await administrator.request_json("GET", path) == experiment
    await owner.request_json("POST", f"/projects/{project['id']}/restore")
    assert await owner.request_json("GET", path) == experiment


async def test_experiment_that_moves_into_a_project_is_hidden(
    user_factory: UserFactory, owner: ProjectUser, project: dict[str, Any]
) -> None:
    stranger, administrator = await user_factory.create(), await user_factory.create("admin")
    made = await stranger.request_json("POST", "/experiments", {"name": "shared"})
    path, body = f"/experiments/{made['id']}", {"project_id": project["id"]}
    assert (await stranger.request("PATCH", path, body)).status_code == 404
    moved = await administrator.request_json("PATCH", path, body)
    assert moved["project_id"] == project["id"]
    assert (await stranger.request("GET", path)).status_code == 404
    await owner.request_json("PATCH", path, {"project_id": None})
    assert (await stranger.request("GET", path)).status_code == 200


async def test_member_moves_no_experiment(
    user_factory: UserFactory, project: dict[str, Any], experiment: dict[str, Any]
) -> None:
    member = await user_factory.create_member(project, "member")
    own = (await make_project(member))["id"]
    shared = await member.request_json("POST", "/experiments", {"name": "shared"})
    for made, target in ((shared, own), (experiment, own), (experiment, None)):
        path = f"/experiments/{made['id']}"
        refused = await member.request("PATCH", path, {"project_id": target})
        assert status_and_code(refused) == (403, "move_forbidden")
        same = {"project_id": made["project_id"], "name": f"{made['name']} again"}
        assert (await member.request_json("PATCH", path, same))["name"] == same["name"]
        made["name"] = same["name"]
    path = f"/experiments/{shared['id']}"
    await member.request_json("DELETE", path)
    refused = await member.request("POST", f"{path}/purge")
    assert status_and_code(refused) == (403, "purge_forbidden")


async def test_projects_admin_alone_adds_no_experiment_to_a_project(
    user_factory: UserFactory, state: State, project: dict[str, Any]
) -> None:
    administrator = await user_factory.create("admin")
    scopes = ("projects:admin", "experiments:read", "experiments:write")
    by_key = await administrator.with_key(state, *scopes)
    body = {"name": "theirs", "project_id": project["id"]}
    refused = await by_key.request("POST", "/experiments", body)
    assert status_and_code(refused) == (403, "experiment_read_only")
