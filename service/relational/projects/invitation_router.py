"""Addresses of invitations: below the project for who invites, at the top for who is invited."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.projects.invitations import (
    AlreadyInvited,
    InvitationAnswered,
    InvitationExpired,
    InvitationNotFound,
    Invitations,
    InviterUnknown,
)
from service.relational.projects.members import AlreadyMember, ProjectRoleTooStrong
from service.relational.projects.repository import ProjectNotFound, ProjectRoleTooWeak
from service.relational.projects.schemas import (
    InvitationCreate,
    InvitationQuery,
    InvitationRead,
    InvitationToMe,
    ProjectRead,
)
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.openapi import problems
from service.web.pagination import Page

router = APIRouter(tags=["projects"], route_class=SqlRoute)
OF_PROJECT = "/projects/{project_id}/invitations"


@router.post(
    OF_PROJECT,
    status_code=201,
    dependencies=[needs("projects:write")],
    responses=problems(
        ProjectNotFound, ProjectRoleTooWeak, ProjectRoleTooStrong, AlreadyMember, AlreadyInvited,
        InviterUnknown,
    ),
)  # fmt: skip
async def invitations_create(
    project_id: UUID, invitation: InvitationCreate, invitations: Invitations, reply: Reply
) -> InvitationRead:
    """Invites whoever has this email, and does not tell whether anybody has."""
    made = await invitations.add(project_id, invitation)
    return reply.created(made, made.id)


@router.get(
    OF_PROJECT,
    dependencies=[needs("projects:read")],
    responses=problems(ProjectNotFound, ProjectRoleTooWeak),
)
async def invitations_list(
    project_id: UUID, query: Annotated[InvitationQuery, Query()], invitations: Invitations
) -> Page[InvitationRead]:
    """Those nobody has answered, also where they have run out."""
    return await invitations.list(project_id, query)


@router.get(
    OF_PROJECT + "/{invitation_id}",
    dependencies=[needs("projects:read")],
    responses=problems(ProjectNotFound, ProjectRoleTooWeak, InvitationNotFound, cached=True),
)
async def invitations_get(
    project_id: UUID, invitation_id: UUID, invitations: Invitations, reply: Reply
) -> InvitationRead:
    return reply.found(await invitations.get(project_id, invitation_id))


@router.delete(
    OF_PROJECT + "/{invitation_id}",
    status_code=204,
    dependencies=[needs("projects:write")],
    responses=problems(
        ProjectNotFound, ProjectRoleTooWeak, ProjectRoleTooStrong, InvitationNotFound, if_match=True
    ),
)
async def invitations_delete(
    project_id: UUID, invitation_id: UUID, invitations: Invitations, expected: IfMatch
) -> None:
    """Takes an invitation back that nobody has answered."""
    await invitations.withdraw(project_id, invitation_id, expected)


@router.get("/invitations", dependencies=[needs("projects:read")], responses=problems())
async def invitations_list_mine(
    query: Annotated[InvitationQuery, Query()], invitations: Invitations
) -> Page[InvitationToMe]:
    """Those to your email that you can accept."""
    return await invitations.list_mine(query)


@router.post(
    "/invitations/{invitation_id}/accept",
    dependencies=[needs("projects:write")],
    responses=problems(InvitationNotFound, InvitationAnswered, InvitationExpired, AlreadyMember),
)
async def invitations_accept(
    invitation_id: UUID, invitations: Invitations, reply: Reply
) -> ProjectRead:
    """Takes you into the project, if the invitation is to your email."""
    return reply.changed(await invitations.accept(invitation_id))


@router.post(
    "/invitations/{invitation_id}/decline",
    dependencies=[needs("projects:write")],
    responses=problems(InvitationNotFound, InvitationAnswered, InvitationExpired),
)
async def invitations_decline(
    invitation_id: UUID, invitations: Invitations, reply: Reply
) -> InvitationRead:
    return reply.changed(await invitations.decline(invitation_id))
