"""Routes of the members of a project."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.projects.members import (
    LastOwner,
    MemberNotFound,
    Members,
    ProjectRoleTooStrong,
)
from service.relational.projects.repository import ProjectNotFound, ProjectRoleTooWeak
from service.relational.projects.schemas import MemberQuery, MemberRead, MemberUpdate
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/projects/{project_id}", tags=["projects"], route_class=SqlRoute)


@router.get("/members", dependencies=[needs("projects:read")], responses=problems(ProjectNotFound))
async def project_members_list(
    project_id: UUID, query: Annotated[MemberQuery, Query()], members: Members
) -> Page[MemberRead]:
    """List the members of a project."""
    return await members.list_of(project_id, query)


@router.get(
    "/members/{user_id}",
    dependencies=[needs("projects:read")],
    responses=problems(ProjectNotFound, MemberNotFound, cached=True),
)
async def project_members_get(
    project_id: UUID, user_id: UUID, members: Members, reply: Reply
) -> MemberRead:
    """Return one member of a project."""
    return reply.ok(await members.get_of(project_id, user_id))


@router.patch(
    "/members/{user_id}",
    dependencies=[needs("projects:write")],
    responses=problems(
        ProjectNotFound, MemberNotFound, ProjectRoleTooWeak, ProjectRoleTooStrong, LastOwner,
        if_match=True,
    ),
)  # fmt: skip
async def project_members_update(
    project_id: UUID,
    user_id: UUID,
    change: MemberUpdate,
    members: Members,
    expected: IfMatch,
    reply: Reply,
) -> MemberRead:
    """Change a role, from a role that is at least as strong; the last owner stays."""
    return reply.updated(await members.change(project_id, user_id, change, expected))


@router.delete(
    "/members/{user_id}",
    status_code=204,
    dependencies=[needs("projects:write")],
    responses=problems(
        ProjectNotFound, MemberNotFound, ProjectRoleTooWeak, ProjectRoleTooStrong, LastOwner,
        if_match=True,
    ),
)  # fmt: skip
async def project_members_delete(
    project_id: UUID, user_id: UUID, members: Members, expected: IfMatch
) -> None:
    """Remove a member; with your own id you leave."""
    await members.remove_of(project_id, user_id, expected)


@router.post(
    "/leave",
    status_code=204,
    dependencies=[needs("projects:write")],
    responses=problems(ProjectNotFound, MemberNotFound, LastOwner),
)
async def projects_leave(project_id: UUID, members: Members) -> None:
    """Leave the project; the last owner cannot."""
    await members.leave(project_id)
