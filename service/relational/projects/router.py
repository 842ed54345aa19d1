"""Routes of projects."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.projects.repository import (
    CreatorUnknown,
    ProjectNotFound,
    ProjectRoleTooWeak,
    Projects,
)
from service.relational.projects.schemas import (
    ProjectCreate,
    ProjectQuery,
    ProjectRead,
    ProjectUpdate,
)
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/projects", tags=["projects"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    dependencies=[needs("projects:write")],
    responses=problems(CreatorUnknown),
)
async def projects_create(project: ProjectCreate, projects: Projects, reply: Reply) -> ProjectRead:
    """Create a project, with the caller as its owner."""
    made = await projects.add(project)
    return reply.created(made, made.id)


@router.get("", dependencies=[needs("projects:read")], responses=problems())
async def projects_list(
    query: Annotated[ProjectQuery, Query()], projects: Projects
) -> Page[ProjectRead]:
    """List the projects that you are in; all projects with `projects:admin`."""
    return await projects.list(query)


@router.get(
    "/{project_id}",
    dependencies=[needs("projects:read")],
    responses=problems(ProjectNotFound, cached=True),
)
async def projects_get(project_id: UUID, projects: Projects, reply: Reply) -> ProjectRead:
    """Return one project and your role in it."""
    return reply.ok(await projects.get(project_id))


@router.patch(
    "/{project_id}",
    dependencies=[needs("projects:write")],
    responses=problems(ProjectNotFound, ProjectRoleTooWeak, if_match=True),
)
async def projects_update(
    project_id: UUID, change: ProjectUpdate, projects: Projects, expected: IfMatch, reply: Reply
) -> ProjectRead:
    """Change some fields of a project."""
    return reply.updated(await projects.change(project_id, change, expected))


@router.delete(
    "/{project_id}",
    status_code=204,
    dependencies=[needs("projects:write")],
    responses=problems(ProjectNotFound, ProjectRoleTooWeak, if_match=True),
)
async def projects_delete(project_id: UUID, projects: Projects, expected: IfMatch) -> None:
    """Hide the project from everybody; an owner restores it with POST …/restore."""
    await projects.remove(project_id, expected)


@router.post(
    "/{project_id}/restore",
    dependencies=[needs("projects:write")],
    responses=problems(ProjectNotFound, ProjectRoleTooWeak),
)
async def projects_restore(project_id: UUID, projects: Projects, reply: Reply) -> ProjectRead:
    """Bring a deleted project back."""
    return reply.updated(await projects.restore(project_id))
