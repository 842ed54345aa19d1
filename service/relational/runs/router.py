"""Routes of runs: what is written; ``search_router.py`` has what is read of many."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from service.auth.caller import needs
from service.relational.experiments.repository import (
    DefaultStays,
    ExperimentDeleted,
    ExperimentNotFound,
    ExperimentReadOnly,
)
from service.relational.experiments.schemas import Key
from service.relational.runs.log import NameMissing, NameStays, ParamChanged, RunLogDep
from service.relational.runs.purge import NotDeleted, PurgeDep, PurgeForbidden
from service.relational.runs.repository import (
    PurgeBegan,
    RunDeleted,
    RunExists,
    RunNameDiffers,
    RunNotFound,
    Runs,
    RunTagNotFound,
)
from service.relational.runs.schemas import (
    Purged,
    RunCreate,
    RunLogged,
    RunLogWrite,
    RunRead,
    RunTagWrite,
    RunUpdate,
)
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.openapi import problems
from service.web.schemas import changes

router = APIRouter(tags=["experiments"], route_class=SqlRoute)
TagKey = Annotated[Key, Path()]


@router.post(
    "/runs",
    status_code=201,
    dependencies=[needs("experiments:write")],
    responses=problems(
        ExperimentNotFound, ExperimentReadOnly, ExperimentDeleted, RunNameDiffers, RunExists
    ),
)
async def runs_create(run: RunCreate, runs: Runs, reply: Reply) -> RunRead:
    """Start a run of an experiment."""
    made = await runs.add(run_id=run.id, **run.model_dump(exclude={"id"}))
    return reply.created(made, made.id)


@router.get(
    "/runs/{run_id}",
    dependencies=[needs("experiments:read")],
    responses=problems(RunNotFound, cached=True),
)
async def runs_get(run_id: UUID, runs: Runs, reply: Reply) -> RunRead:
    """Return a run's own fields, deleted or not."""
    return reply.ok(await runs.get(run_id))


@router.patch(
    "/runs/{run_id}",
    dependencies=[needs("experiments:write")],
    responses=problems(RunNotFound, ExperimentReadOnly, RunDeleted, if_match=True),
)
async def runs_update(
    run_id: UUID, change: RunUpdate, runs: Runs, expected: IfMatch, reply: Reply
) -> RunRead:
    """Change the name, the status or the end of a run."""
    return reply.updated(await runs.change(run_id, changes(change), expected))


@router.delete(
    "/runs/{run_id}",
    status_code=204,
    dependencies=[needs("experiments:write")],
    responses=problems(RunNotFound, ExperimentReadOnly, if_match=True),
)
async def runs_delete(run_id: UUID, runs: Runs, expected: IfMatch) -> None:
    """Delete a run; POST …/restore brings it back."""
    await runs.remove(run_id, expected)


@router.post(
    "/runs/{run_id}/restore",
    dependencies=[needs("experiments:write")],
    responses=problems(RunNotFound, ExperimentReadOnly, ExperimentDeleted, PurgeBegan),
)
async def runs_restore(run_id: UUID, runs: Runs, reply: Reply) -> RunRead:
    """Bring a deleted run back, unless its experiment is deleted or its purge has begun."""
    return reply.updated(await runs.restore(run_id))


@router.post(
    "/runs/{run_id}/log",
    dependencies=[needs("experiments:write")],
    responses=problems(RunNotFound, ExperimentReadOnly, RunDeleted, ParamChanged, NameMissing),
)
async def runs_log(run_id: UUID, batch: RunLogWrite, log: RunLogDep) -> RunLogged:
    """Log metrics, params and tags, all or nothing; a repeated batch changes nothing."""
    return await log.log(run_id, metrics=batch.points(), params=batch.params, tags=batch.tags)


@router.put(
    "/runs/{run_id}/tags/{key:text}",
    dependencies=[needs("experiments:write")],
    responses=problems(RunNotFound, ExperimentReadOnly, RunDeleted, NameMissing),
)
async def runs_set_tag(run_id: UUID, key: TagKey, tag: RunTagWrite, log: RunLogDep) -> RunLogged:
    """Set a tag of a run; mlflow.runName is its name."""
    return await log.log(run_id, tags={key: tag.value})


@router.delete(
    "/runs/{run_id}/tags/{key:text}",
    status_code=204,
    dependencies=[needs("experiments:write")],
    responses=problems(RunNotFound, ExperimentReadOnly, RunDeleted, RunTagNotFound, NameStays),
)
async def runs_remove_tag(run_id: UUID, key: TagKey, log: RunLogDep) -> None:
    """Remove a tag of a run."""
    await log.remove_tag(run_id, key)


@router.post(
    "/runs/{run_id}/purge",
    dependencies=[needs("experiments:write")],
    responses=problems(RunNotFound, PurgeForbidden, NotDeleted),
)
async def runs_purge(run_id: UUID, purge: PurgeDep) -> Purged:
    """Remove a deleted run for good, with its artifacts.

    Repeat the request until it is `complete`, without an Idempotency-Key or with a new one.
    """
    return await purge.run(run_id)


@router.post(
    "/experiments/{experiment_id}/purge",
    dependencies=[needs("experiments:write")],
    responses=problems(ExperimentNotFound, PurgeForbidden, NotDeleted, DefaultStays),
)
async def experiments_purge(experiment_id: UUID, purge: PurgeDep) -> Purged:
    """Remove a deleted experiment for good, with its runs and their artifacts.

    Repeat the request until it is `complete`, without an Idempotency-Key or with a new one.
    """
    return await purge.experiment(experiment_id)
