"""Access to registered models: shared ones, and ones of a project."""

from typing import Any

import httpx2
from fastapi import FastAPI

from service.auth.caller import Caller
from service.main import State
from tests.fixtures.client import client_as
from tests.relational.model_registry.factories import make_model, make_version
from tests.relational.projects.factories import ProjectUser, UserFactory, status_and_code

MODELS, MLFLOW = "/registered_models", "/api/2.0/mlflow"
VERSION = {"source": "s3://bucket/model"}


async def test_shared_model_is_everybodys(user_factory: UserFactory) -> None:
    ada, ben = [await user_factory.create() for _ in range(2)]
    made = await ada.request_json("POST", MODELS, {"name": "shared"})
    changed = await ben.request_json("PATCH", f"{MODELS}/{made['id']}", {"description": "ours"})
    assert changed["description"] == "ours"


async def test_model_of_a_project_is_its_members_alone(
    owner: ProjectUser, project: dict[str, Any], user_factory: UserFactory
) -> None:
    body = {"name": "secret", "project_id": project["id"]}
    made = await owner.request_json("POST", MODELS, body)
    path = f"{MODELS}/{made['id']}"
    await owner.request_json("POST", f"{path}/versions", VERSION)
    await owner.request_json("PUT", f"{path}/aliases/best", {"number": 1})
    stranger, viewer = (
        await user_factory.create(),
        await user_factory.create_member(project, "viewer"),
    )
    for below in ("", "/versions", "/versions/1", "/versions/best"):
        assert (await stranger.request("GET", path + below)).status_code == 404
        assert (await viewer.request("GET", path + below)).status_code == 200
    for method, below, change in (
        ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/versions", VERSION),
        ("PATCH", "/versions/1", {"stage": "Archived"}), ("PATCH", "/versions/1", {"tags": {}}),
        ("DELETE", "/versions/1", None), ("PUT", "/aliases/best", {"number": 1}),
        ("DELETE", "/aliases/best", None),
    ):  # fmt: skip
        assert (await stranger.request(method, path + below, change)).status_code == 404
        refused = await viewer.request(method, path + below, change)
        assert status_and_code(refused) == (403, "not_yours"), (method, below)
    assert (await stranger.request_json("GET", MODELS))["items"] == []
    assert len((await viewer.request_json("GET", MODELS))["items"]) == 1
    taken = await stranger.request("POST", MODELS, {"name": "secret"})
    assert status_and_code(taken) == (409, "registered_model_name_taken")
    await owner.request("DELETE", f"/projects/{project['id']}")
    assert (await owner.request("GET", path)).status_code == 404


async def test_bound_key_changes_models_of_its_names_alone(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    theirs, own = await make_model(client, "churn"), await make_model(client, "fraud-eu")
    for model in (theirs, own):
        await make_version(client, model)
    scopes = frozenset({"models:read", "models:write", "models:admin"})
    async with client_as(Caller(scopes=scopes, models=("fraud-*",)), app, state) as bound:
        for method, below, body in (
            ("PUT", "/aliases/best", {"number": 1}), ("DELETE", "/aliases/best", None),
            ("POST", "/versions", VERSION), ("PATCH", "/versions/1", {"stage": "Production"}),
            ("PATCH", "/versions/1", {"tags": {"a": "b"}}), ("PATCH", "", {"description": "d"}),
            ("DELETE", "/versions/1", None), ("DELETE", "", None),
        ):  # fmt: skip
            sent: Any = {} if body is None else {"json": body}
            refused = await bound.request(method, theirs["path"] + below, **sent)
            assert status_and_code(refused) == (403, "model_forbidden"), (method, below)
            if below or method == "PATCH":
                assert (await bound.request(method, own["path"] + below, **sent)).is_success
        taken = await bound.patch(own["path"], json={"name": "churn2"})
        assert status_and_code(taken) == (403, "model_forbidden")
        made = await bound.post("/v1/registered_models", json={"name": "churn2"})
        assert status_and_code(made) == (403, "model_forbidden")
        assert (await bound.get(theirs["path"] + "/versions/1")).json()["stage"] == "None"


async def test_model_moves_between_projects_of_an_editor(
    owner: ProjectUser, project: dict[str, Any], user_factory: UserFactory
) -> None:
    stranger, viewer = (
        await user_factory.create(),
        await user_factory.create_member(project, "viewer"),
    )
    made = await stranger.request_json("POST", MODELS, {"name": "shared"})
    path, moved = f"{MODELS}/{made['id']}", {"project_id": project["id"]}
    assert status_and_code(await stranger.request("PATCH", path, moved)) == (
        404,
        "project_not_found",
    )
    refused = await viewer.request("PATCH", path, moved)
    assert status_and_code(refused) == (403, "project_role_too_weak")
    await owner.request_json("PATCH", path, moved)
    assert (await stranger.request("GET", path)).status_code == 404
    await owner.request_json("PATCH", path, {"project_id": None})
    assert (await stranger.request("GET", path)).status_code == 200


async def test_mlflow_shows_members_alone_the_models_of_a_project(
    owner: ProjectUser,
    project: dict[str, Any],
    user_factory: UserFactory,
    anonymous_client: httpx2.AsyncClient,
) -> None:
    body = {"name": "secret", "project_id": project["id"]}
    made = await owner.request_json("POST", MODELS, body)
    await owner.request_json("POST", f"{MODELS}/{made['id']}/versions", VERSION)
    stranger, viewer = (
        await user_factory.create(),
        await user_factory.create_member(project, "viewer"),
    )

    async def ask(user: ProjectUser, method: str, path: str, **fields: Any) -> httpx2.Response:
        sent: dict[str, Any] = {"params": fields} if method == "GET" else {"json": fields}
        return await anonymous_client.request(
            method, f"{MLFLOW}/{path}", headers=user.headers, **sent
        )

    version = {"name": "secret", "version": "1"}
    for path in ("registered-models/get", "model-versions/get", "registered-models/alias"):
        answer = await ask(stranger, "GET", path, **version, alias="latest")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
        assert (await ask(viewer, "GET", path, **version, alias="latest")).status_code == 200
    for path in ("registered-models/search", "model-versions/search"):
        assert (await ask(stranger, "GET", path)).json() == {}
        assert len((await ask(viewer, "GET", path)).json()) == 1
    for path in ("registered-models/set-tag", "model-versions/set-tag"):
        assert (await ask(stranger, "POST", path, **version, key="a")).status_code == 404
        refused = await ask(viewer, "POST", path, **version, key="a")
        assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
