"""Routes of logged models, and of the inputs and outputs of runs. MLflow's clients write them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.experiments.repository import ExperimentNotFound
from service.relational.logged_models.purge import ModelPurgeDep
from service.relational.logged_models.repository import LoggedModelNotFound, LoggedModels
from service.relational.logged_models.run_inputs import RunInputsDep
from service.relational.logged_models.schemas import (
    LoggedModelPurged,
    LoggedModelQuery,
    LoggedModelRead,
    RunInputsRead,
)
from service.relational.runs.purge import NotDeleted, PurgeForbidden
from service.relational.runs.repository import RunNotFound
from service.stores.sql.route import SqlRoute
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(tags=["experiments"], route_class=SqlRoute)


@router.get(
    "/experiments/{experiment_id}/logged_models",
    dependencies=[needs("experiments:read")],
    responses=problems(ExperimentNotFound),
)
async def logged_models_list(
    experiment_id: UUID, query: Annotated[LoggedModelQuery, Query()], models: LoggedModels
) -> Page[LoggedModelRead]:
    """List the logged models of an experiment, with the latest point of each metric."""
    return await models.list_of(experiment_id, query)


@router.get(
    "/logged_models/{logged_model_id}",
    dependencies=[needs("experiments:read")],
    responses=problems(LoggedModelNotFound),
)
async def logged_models_get(logged_model_id: UUID, models: LoggedModels) -> LoggedModelRead:
    """Return one logged model; MLflow writes its id as `m-` and 32 hexadecimal digits."""
    return await models.get(logged_model_id)


@router.post(
    "/logged_models/{logged_model_id}/purge",
    dependencies=[needs("experiments:write")],
    responses=problems(LoggedModelNotFound, PurgeForbidden, NotDeleted),
)
async def logged_models_purge(logged_model_id: UUID, purge: ModelPurgeDep) -> LoggedModelPurged:
    """Remove a logged model for good that MLflow's clients have deleted, with its artifacts.

    Repeat the request until it is `complete`, without an Idempotency-Key or with a new one.
    """
    return await purge.model(logged_model_id)


@router.get(
    "/runs/{run_id}/inputs",
    dependencies=[needs("experiments:read")],
    responses=problems(RunNotFound),
)
async def run_inputs_get(run_id: UUID, inputs: RunInputsDep) -> RunInputsRead:
    """Return the datasets and logged models that a run read, and the models that it made."""
    return await inputs.read(run_id)
