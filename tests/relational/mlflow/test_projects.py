"""MLflow's addresses of an experiment that belongs to a project."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import insert
from uuid_utils.compat import uuid7

from service.auth.artifact_owners import ArtifactRoot
from service.auth.caller import Forbidden
from service.core.errors import Conflict, NotFound
from service.main import State
from service.relational.projects.tables import ProjectMember
from tests.auth.factories import LoggedInUser, create_user
from tests.fixtures.client import client_as, member_caller
from tests.relational.mlflow.calls import ROOT, get, get_run, new_experiment, new_run, post

POINT = {"key": "loss", "value": 1, "timestamp": 1}


class Team(NamedTuple):
    """The owner, a viewer and a stranger of a project with an experiment and a run."""

    owner: httpx2.AsyncClient
    viewer: httpx2.AsyncClient
    stranger: httpx2.AsyncClient
    people: list[LoggedInUser]
    experiment: str
    run: str

    @property
    def root(self) -> ArtifactRoot:
        return ArtifactRoot(UUID(self.experiment), "run", UUID(self.run))


@pytest.fixture
async def team(app: FastAPI, state: State, reset_stores: None) -> AsyncIterator[Team]:
    people = [await create_user(state) for _ in range(3)]
    async with AsyncExitStack() as stack:
        owner, viewer, stranger = [
            await stack.enter_async_context(client_as(member_caller(person.id), app, state))
            for person in people
        ]
        project = (await owner.post("/v1/projects", json={"name": "Churn"})).json()["id"]
        added = insert(ProjectMember).values(
            id=uuid7(), project_id=project, user_id=people[1].id, role="viewer"
        )
        async with state["sql"].engine.begin() as connection:
            await connection.execute(added)
        body = {"name": "of the team", "project_id": project}
        made = await owner.post("/v1/experiments", json=body)
        assert made.status_code == 201, made.text
        experiment = UUID(made.json()["id"]).hex
        run = await new_run(owner, experiment)
        await post(owner, "/runs/log-metric", run_id=run, **POINT)
        yield Team(owner, viewer, stranger, people, experiment, run)


WRITES: list[tuple[str, dict[str, object]]] = [
    ("/runs/create", {"experiment_id": "~"}),
    ("/runs/update", {"status": "FAILED"}),
    ("/runs/delete", {}),
    ("/runs/restore", {}),
    ("/runs/log-metric", POINT),
    ("/runs/log-parameter", {"key": "a"}),
    ("/runs/log-batch", {}),
    ("/runs/log-batch", {"params": [{"key": "a"}], "metrics": [POINT]}),
    ("/runs/set-tag", {"key": "a"}),
    ("/runs/delete-tag", {"key": "a"}),
    ("/runs/log-model", {"model_json": "{}"}),
    ("/experiments/update", {"experiment_id": "~", "new_name": "x"}),
    ("/experiments/delete", {"experiment_id": "~"}),
    ("/experiments/set-experiment-tag", {"experiment_id": "~", "key": "a"}),
    ("/experiments/delete-experiment-tag", {"experiment_id": "~", "key": "a"}),
]


async def test_viewer_may_write_nothing_and_stranger_sees_nothing(team: Team) -> None:
    before = await get_run(team.owner, team.run)
    for path, body in WRITES:
        names: dict[str, Any] = {"run_id": team.run, **body}
        if "experiment_id" in names:
            names["experiment_id"] = team.experiment
        for client, expected in (
            (team.viewer, (403, "PERMISSION_DENIED")),
            (team.stranger, (404, "RESOURCE_DOES_NOT_EXIST")),
        ):
            answer = await client.post(f"{ROOT}{path}", json=names)
            assert (answer.status_code, answer.json()["error_code"]) == expected, path
    assert await get_run(team.owner, team.run) == before


async def test_viewer_reads_what_a_stranger_does_not_find(team: Team) -> None:
    reads = [
        ("/experiments/get", {"experiment_id": team.experiment}),
        ("/experiments/get-by-name", {"experiment_name": "of the team"}),
        ("/runs/get", {"run_id": team.run}),
    ]
    for path, query in reads:
        assert await get(team.viewer, path, **query) == await get(team.owner, path, **query)
        answer = await team.stranger.get(f"{ROOT}{path}", params=query)
        found = answer.status_code, answer.json()["error_code"]
        assert found == (404, "RESOURCE_DOES_NOT_EXIST"), path


async def test_searches_of_a_stranger_leave_out_the_project(team: Team) -> None:
    shared = await new_experiment(team.stranger)
    ids = [team.experiment, shared]
    run = await new_run(team.stranger, shared)
    for client, runs, experiments in (
        (team.viewer, {team.run, run}, set(ids)),
        (team.stranger, {run}, {shared}),
    ):
        found = await post(client, "/runs/search", experiment_ids=ids)
        assert {one["info"]["run_id"] for one in found["runs"]} == runs
        listed = await post(client, "/experiments/search", max_results=100)
        assert {one["experiment_id"] for one in listed["experiments"]} - {"0"} == experiments
    history = {"run_id": team.run, "metric_key": "loss"}
    assert len((await get(team.viewer, "/metrics/get-history", **history))["metrics"]) == 1
    assert await get(team.stranger, "/metrics/get-history", **history) == {}
    sample = {"run_ids": team.run, "metric_key": "loss"}
    assert await get(team.stranger, "/metrics/get-history-bulk-interval", **sample) == {}
    assert await get(team.stranger, "/metrics/get-history-bulk", **history) == {}


async def test_artifacts_have_the_visibility_of_the_run(team: Team, state: State) -> None:
    owners, root = state["artifact_owners"], team.root
    owner, viewer, stranger = [member_caller(person.id) for person in team.people]
    assert await owners.find(viewer, "run", root.owner_id) == root
    await owners.require(viewer, root, writes=False)
    await owners.require(owner, root, writes=True)
    with pytest.raises(Forbidden):
        await owners.require(viewer, root, writes=True)
    elsewhere = ArtifactRoot(root.owner_id, "run", root.owner_id)
    with pytest.raises(NotFound):
        await owners.require(owner, elsewhere, writes=False)
    with pytest.raises(NotFound):
        await owners.require(stranger, root, writes=False)
    with pytest.raises(NotFound):
        await owners.find(stranger, "run", root.owner_id)
    with pytest.raises(NotFound):
        await owners.find(owner, "run", root.experiment_id)


@pytest.mark.parametrize("deleted", ["run", "experiment"])
async def test_artifacts_of_a_deleted_owner_are_read_alone(
    team: Team, state: State, deleted: str
) -> None:
    key = {"run": team.run, "experiment": team.experiment}[deleted]
    await post(team.owner, f"/{deleted}s/delete", **{f"{deleted}_id": key})
    owners, owner = state["artifact_owners"], member_caller(team.people[0].id)
    await owners.require(owner, team.root, writes=False)
    with pytest.raises(Conflict):
        await owners.require(owner, team.root, writes=True)
