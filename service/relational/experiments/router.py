"""Routes of experiments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from service.auth.caller import needs
from service.relational.experiments.repository import (
    DefaultStays,
    ExperimentDeleted,
    ExperimentNameTaken,
    ExperimentNotFound,
    ExperimentReadOnly,
    Experiments,
    ExperimentTagNotFound,
    TooManyTags,
)
from service.relational.experiments.schemas import (
    ExperimentCreate,
    ExperimentQuery,
    ExperimentRead,
    ExperimentTagWrite,
    ExperimentUpdate,
    Key,
)
from service.relational.experiments.visibility import MoveForbidden
from service.relational.projects.repository import ProjectNotFound, ProjectRoleTooWeak
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/experiments", tags=["experiments"], route_class=SqlRoute)
TagKey = Annotated[Key, Path()]


@router.post(
    "",
    status_code=201,
    dependencies=[needs("experiments:write")],
    responses=problems(
        ExperimentNameTaken, ExperimentReadOnly, ProjectNotFound, ProjectRoleTooWeak
    ),
)
async def experiments_create(
    experiment: ExperimentCreate, experiments: Experiments, reply: Reply
) -> ExperimentRead:
    """Create an experiment, for all or for the members of a project."""
    made = await experiments.add(experiment)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("experiments:read")], responses=problems())
async def experiments_list(
    query: Annotated[ExperimentQuery, Query()], experiments: Experiments
) -> Page[ExperimentRead]:
    """List the experiments that belong to all, and those of your projects."""
    return await experiments.list(query)


@router.get(
    "/{experiment_id}",
    dependencies=[needs("experiments:read")],
    responses=problems(ExperimentNotFound, cached=True),
)
async def experiments_get(
    experiment_id: UUID, experiments: Experiments, reply: Reply
) -> ExperimentRead:
    """Return one experiment, deleted or not."""
    return reply.ok(await experiments.get(experiment_id))


@router.patch(
    "/{experiment_id}",
    dependencies=[needs("experiments:write")],
    responses=problems(
        ExperimentNotFound, ExperimentReadOnly, ExperimentDeleted, ExperimentNameTaken,
        DefaultStays, MoveForbidden, ProjectNotFound, ProjectRoleTooWeak, if_match=True,
    ),
)  # fmt: skip
async def experiments_update(
    experiment_id: UUID,
    change: ExperimentUpdate,
    experiments: Experiments,
    expected: IfMatch,
    reply: Reply,
) -> ExperimentRead:
    """Change some fields of an experiment; who may purge it moves it with `project_id`."""
    return reply.updated(await experiments.change(experiment_id, change, expected))


@router.delete(
    "/{experiment_id}",
    status_code=204,
    dependencies=[needs("experiments:write")],
    responses=problems(ExperimentNotFound, ExperimentReadOnly, if_match=True),
)
async def experiments_delete(
    experiment_id: UUID, experiments: Experiments, expected: IfMatch
) -> None:
    """Delete an experiment with its runs; POST …/restore brings both back."""
    await experiments.remove(experiment_id, expected)


@router.post(
    "/{experiment_id}/restore",
    dependencies=[needs("experiments:write")],
    responses=problems(ExperimentNotFound, ExperimentReadOnly),
)
async def experiments_restore(
    experiment_id: UUID, experiments: Experiments, reply: Reply
) -> ExperimentRead:
    """Bring a deleted experiment back, with the runs that were deleted with it."""
    return reply.updated(await experiments.restore(experiment_id))


@router.put(
    "/{experiment_id}/tags/{key:text}",
    dependencies=[needs("experiments:write")],
    responses=problems(ExperimentNotFound, ExperimentReadOnly, ExperimentDeleted, TooManyTags),
)
async def experiments_set_tag(
    experiment_id: UUID,
    key: TagKey,
    tag: ExperimentTagWrite,
    experiments: Experiments,
    reply: Reply,
) -> ExperimentRead:
    """Set a tag of an experiment."""
    await experiments.set_tag(experiment_id, key, tag.value)
    return reply.updated(await experiments.get(experiment_id))


@router.delete(
    "/{experiment_id}/tags/{key:text}",
    status_code=204,
    dependencies=[needs("experiments:write")],
    responses=problems(
        ExperimentNotFound, ExperimentReadOnly, ExperimentDeleted, ExperimentTagNotFound
    ),
)
async def experiments_remove_tag(
    experiment_id: UUID, key: TagKey, experiments: Experiments
) -> None:
    """Remove a tag of an experiment."""
    await experiments.remove_tag(experiment_id, key)
