"""Routes of invitations: below the project for its members, at the top for the invited."""

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
    InvitationSecretWrong,
    InviterUnknown,
)
from service.relational.projects.members import AlreadyMember, ProjectRoleTooStrong
from service.relational.projects.repository import ProjectNotFound, ProjectRoleTooWeak
from service.relational.projects.schemas import (
    InvitationAccept,
    InvitationCreate,
    InvitationQuery,
    InvitationRead,
    InvitationSecret,
    InvitationToMe,
    ProjectRead,
)
from service.stores.sql.idempotency import ShownOnce
from service.stores.sql.route import SqlRoute
from service.web.conditional import IfMatch, Reply
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(tags=["projects"], route_class=SqlRoute)
OF_PROJECT = "/projects/{project_id}/invitations"
_NO_SECRET = InvitationAccept()


@router.post(
    OF_PROJECT,
    status_code=201,
    dependencies=[needs("projects:write")],
    responses=problems(
        ProjectNotFound, ProjectRoleTooWeak, ProjectRoleTooStrong, AlreadyMember, AlreadyInvited,
        InviterUnknown, ShownOnce,
    ),
)  # fmt: skip
async def invitations_create(
    project_id: UUID, invitation: InvitationCreate, invitations: Invitations, reply: Reply
) -> InvitationSecret:
    """Invite the user with this email; the answer does not reveal whether there is one.

    Its secret is in this response and is never shown again. Pass it on to the invited.
    """
    made = await invitations.add(project_id, invitation)
    reply.no_store()
    return reply.created(made, made.id)


@router.get(
    OF_PROJECT,
    dependencies=[needs("projects:read")],
    responses=problems(ProjectNotFound, ProjectRoleTooWeak),
)
async def invitations_list(
    project_id: UUID, query: Annotated[InvitationQuery, Query()], invitations: Invitations
) -> Page[InvitationRead]:
    """List unanswered invitations, expired ones too."""
    return await invitations.list_of(project_id, query)


@router.get(
    OF_PROJECT + "/{invitation_id}",
    dependencies=[needs("projects:read")],
    responses=problems(ProjectNotFound, ProjectRoleTooWeak, InvitationNotFound, cached=True),
)
async def invitations_get(
    project_id: UUID, invitation_id: UUID, invitations: Invitations, reply: Reply
) -> InvitationRead:
    """Return one invitation of a project."""
    return reply.ok(await invitations.get_of(project_id, invitation_id))


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
    """Withdraw an unanswered invitation."""
    await invitations.withdraw(project_id, invitation_id, expected)


@router.get("/invitations", dependencies=[needs("projects:read")], responses=problems())
async def invitations_list_mine(
    query: Annotated[InvitationQuery, Query()], invitations: Invitations
) -> Page[InvitationToMe]:
    """List the invitations to your email that you can accept."""
    return await invitations.list_received(query)


@router.post(
    "/invitations/{invitation_id}/accept",
    dependencies=[needs("projects:write")],
    responses=problems(
        InvitationNotFound, InvitationAnswered, InvitationExpired, InvitationSecretWrong,
        AlreadyMember,
    ),
)  # fmt: skip
async def invitations_accept(
    invitation_id: UUID,
    invitations: Invitations,
    reply: Reply,
    proof: InvitationAccept = _NO_SECRET,
) -> ProjectRead:
    """Join the project, if the invitation is to your email.

    Send its secret, unless an administrator has verified your email.
    """
    return reply.updated(await invitations.accept(invitation_id, proof.secret))


@router.post(
    "/invitations/{invitation_id}/decline",
    dependencies=[needs("projects:write")],
    responses=problems(InvitationNotFound, InvitationAnswered, InvitationExpired),
)
async def invitations_decline(
    invitation_id: UUID, invitations: Invitations, reply: Reply
) -> InvitationRead:
    """Decline an invitation to you."""
    return reply.updated(await invitations.decline(invitation_id))
