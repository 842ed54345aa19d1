"""Invitations into projects in PostgreSQL.

An invitation does not reveal whether its email has an account; the user with this email finds it in
their list. There is one exception: an email that is not accepted today, as root@localhost, can be
invited if a user has it, and else is refused.

The service sends no mail, and users state their own email. So an invitation is accepted with its
secret, which the inviter passes on, or by a user whose email an administrator verified.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Annotated, NoReturn
from uuid import UUID

from fastapi import Depends
from sqlalchemy import (
    ColumnElement,
    Uuid,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)

from service.auth.caller import Forbidden
from service.core.errors import Conflict, NotFound, Refused
from service.relational.projects.members import AlreadyMember, MemberRepository, require_reach
from service.relational.projects.repository import ProjectRepository, is_deleted
from service.relational.projects.schemas import (
    InvitationCreate,
    InvitationQuery,
    InvitationRead,
    InvitationSecret,
    InvitationToMe,
    ProjectRead,
)
from service.relational.projects.tables import Project, ProjectInvitation, ProjectMember
from service.relational.users.queries import is_deleted as is_deleted_user
from service.relational.users.repository import UserRepository
from service.relational.users.stored_emails import invited_form, same_email
from service.relational.users.tables import User
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import Page

LIFETIME = timedelta(days=14)


class InvitationNotFound(NotFound):
    code, title = "invitation_not_found", "Invitation does not exist or was withdrawn"


class AlreadyInvited(Conflict):
    code, title, pointer = "already_invited", "Email already has an open invitation", "/email"
    constraints = "uq_project_invitations_open"


class InviterUnknown(Conflict):
    code, title = "inviter_unknown", "Your user does not exist or was deleted"
    constraints = "fk_project_invitations_invited_by"


class InvitationAnswered(Conflict):
    code, title = "invitation_answered", "Invitation was answered already"


class InvitationExpired(Conflict):
    code, title = "invitation_expired", "Invitation has expired"
    detail = "Ask for another one."


class InvitationSecretWrong(Forbidden):
    code, title = "invitation_secret_wrong", "Invitation needs its secret"
    detail = (
        "Send the secret that the inviter got with the invitation, or have an administrator verify "
        "your email."
    )
    pointer = "/secret"


class AnsweredTwice(Refused):
    code, title = "answered_twice", "Invitation was accepted and declined"
    constraints = "ck_project_invitations_answered_once"


_I = ProjectInvitation
_OPEN = _I.accepted_at.is_(None) & _I.declined_at.is_(None)
_VALID = _OPEN & (_I.expires_at > func.now())
_INVITER = User.__table__.alias("inviter")
_OWN_EMAIL = (
    select(func.email_key(User.email))
    .where(User.id == bindparam("user_id", type_=Uuid), is_deleted_user(False))
    .scalar_subquery()
)
# The invitations to the email of ``user_id``.
RECEIVED = SqlListing(
    _I,
    InvitationQuery,
    {
        **projection(_I, InvitationToMe, without=("project_name", "invited_by_username")),
        "project_name": Project.name,
        "invited_by_username": _INVITER.c.username,
    },
    schema=InvitationToMe,
    where=(func.email_key(_I.email) == _OWN_EMAIL) & is_deleted(False),
    source=_I.__table__.join(Project.__table__, Project.id == _I.project_id).join(
        _INVITER, _INVITER.c.id == _I.invited_by
    ),
)


class InvitationRepository(SqlRepository[InvitationRead]):
    """Members who may invite see a project's invitations; users see those to their email."""

    table, schema, missing = _I, InvitationRead, InvitationNotFound
    listing = SqlListing(_I, InvitationQuery, projection(_I, InvitationRead), schema=InvitationRead)

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._projects, self._members = ProjectRepository(context), MemberRepository(context)
        self._users, self._user_id = UserRepository(context), context.caller.user_id

    async def get_of(self, project_id: UUID, invitation_id: UUID) -> InvitationRead:
        await self._projects.require(project_id, "invite")
        return await self._get(_is(project_id, invitation_id))

    async def list_of(self, project_id: UUID, query: InvitationQuery) -> Page[InvitationRead]:
        """Return the unanswered invitations of a project, expired ones too."""
        await self._projects.require(project_id, "invite")
        return await self._page(query, _I.project_id == project_id, _OPEN)

    async def list_received(self, query: InvitationQuery) -> Page[InvitationToMe]:
        """Return the invitations to the caller's email that can be accepted."""
        return await RECEIVED.page(
            self._session,
            query,
            self._paginator,
            InvitationToMe.model_validate,
            _VALID,
            user_id=self._user_id,
        )

    async def add(self, project_id: UUID, invitation: InvitationCreate) -> InvitationSecret:
        """Return the new invitation with its secret, of which a hash is stored."""
        own_role = await self._projects.lock_with(project_id, "invite")
        require_reach(own_role, invitation.role)
        email = await invited_form(self._session, invitation.email)
        is_member = exists().where(
            ProjectMember.project_id == project_id,
            ProjectMember.user_id == User.id,
            same_email(User.email, email),
        )
        if await self._session.scalar(select(is_member)):
            raise AlreadyMember
        same = (_I.project_id == project_id) & same_email(_I.email, email)
        expired = delete(_I).where(same, _OPEN, _I.expires_at <= func.now())
        await self._session.execute(expired)
        secret = secrets.token_urlsafe(32)
        values = {
            "email": email,
            "role": invitation.role,
            "secret_hash": _hash(secret),
            "project_id": project_id,
            "invited_by": self._user_id,
            "expires_at": func.now() + literal(LIFETIME),
        }
        made = await self._insert(values)
        return InvitationSecret(**dict(made), secret=secret)

    async def withdraw(self, project_id: UUID, invitation_id: UUID, expected: Expected) -> None:
        own_role = await self._projects.lock_with(project_id, "invite")
        require_reach(own_role, (await self._get(_is(project_id, invitation_id))).role)
        await self._remove(_is(project_id, invitation_id), expected)

    async def accept(self, invitation_id: UUID, secret: str | None) -> ProjectRead:
        """Make the caller a member, in the role of the invitation.

        Raises:
            InvitationSecretWrong: it has another secret, and the caller's email is not verified.
        """
        answered = await self._answer(invitation_id, "accepted_at")
        await self._require_proof(invitation_id, secret)
        if self._user_id is not None:
            await self._members.add(answered.project_id, self._user_id, answered.role)
        return await self._projects.get(answered.project_id)

    async def _require_proof(self, invitation_id: UUID, secret: str | None) -> None:
        verified = select(User.email_verified_at).where(User.id == self._user_id)
        statement = select(_I.secret_hash, verified.scalar_subquery()).where(_I.id == invitation_id)
        expected, verified_at = (await self._session.execute(statement)).one()
        if expected is None or verified_at is not None:
            return
        if not hmac.compare_digest(expected, _hash(secret or "")):
            raise InvitationSecretWrong

    async def decline(self, invitation_id: UUID) -> InvitationRead:
        return await self._answer(invitation_id, "declined_at")

    async def _answer(self, invitation_id: UUID, how: str) -> InvitationRead:
        await self._users.lock(self._user_id)  # so that the user's email stays the same
        statement = RECEIVED.select().where(_I.id == invitation_id)
        result = await self._session.execute(statement, {"user_id": self._user_id})
        invitation = result.one_or_none()
        if invitation is None or not await self._projects.lock(invitation.project_id):
            raise InvitationNotFound
        answer = (
            update(_I)
            .where(_I.id == invitation_id, _VALID)
            .values({how: func.now(), "version": _I.version + 1})
            .returning(*self.listing.columns)
        )
        row = (await self._session.execute(answer)).one_or_none()
        if row is None:
            await self._raise_unanswerable(invitation_id)
        return self.read(row)

    async def _raise_unanswerable(self, invitation_id: UUID) -> NoReturn:
        is_open = await self._session.scalar(select(_OPEN).where(_I.id == invitation_id))
        if is_open is None:
            raise InvitationNotFound
        raise InvitationExpired if is_open else InvitationAnswered


def _hash(secret: str) -> bytes:
    """Return the SHA-256: a fast hash is enough for a secret of 256 random bits."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _is(project_id: UUID, invitation_id: UUID) -> ColumnElement[bool]:
    return (_I.project_id == project_id) & (_I.id == invitation_id) & _OPEN


Invitations = Annotated[InvitationRepository, Depends(InvitationRepository.from_request)]
