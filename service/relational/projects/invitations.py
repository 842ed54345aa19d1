"""Invitations into projects in PostgreSQL.

Nothing is told of whether an email has an account; whoever has one with this email finds the
invitation in their list. The service sends no mail and verifies no email: an account's email is
what its user says it is.
"""

from datetime import timedelta
from typing import Annotated, NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, delete, exists, func, insert, literal, select, update

from service.auth.caller import CurrentCaller
from service.core.errors import Conflict, NotFound, Refused
from service.relational.projects.members import AlreadyMember, Members, must_reach
from service.relational.projects.repository import Projects, is_deleted
from service.relational.projects.schemas import (
    InvitationCreate,
    InvitationQuery,
    InvitationRead,
    InvitationToMe,
    ProjectRead,
)
from service.relational.projects.tables import Project, ProjectInvitation, ProjectMember
from service.relational.users.queries import is_deleted as is_deleted_user
from service.relational.users.repository import Users
from service.relational.users.tables import User
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import AnySelect, remove_row, sql_page
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging

GOOD_FOR = timedelta(days=14)


class InvitationNotFound(NotFound):
    code, title = "invitation_not_found", "There is no such invitation, or not any more"


class AlreadyInvited(Conflict):
    code, title, pointer = "already_invited", "An invitation to this email is open", "/email"
    constraints = "uq_project_invitations_open"


class InviterUnknown(Conflict):
    code, title = "inviter_unknown", "You are no user, or not any more"
    constraints = "fk_project_invitations_invited_by"


class InvitationAnswered(Conflict):
    code, title = "invitation_answered", "This invitation was accepted or declined before"


class InvitationExpired(Conflict):
    code, title = "invitation_expired", "This invitation has run out"
    detail = "Ask for another one."


class AnsweredTwice(Refused):
    code, title = "answered_twice", "An invitation is accepted or declined, not both"
    constraints = "ck_project_invitations_answered_once"


_I = ProjectInvitation
_COLUMNS = columns(
    _I.id, _I.project_id, _I.email, _I.role, _I.invited_by, _I.expires_at, _I.accepted_at,
    _I.declined_at, _I.version, _I.created_at, _I.updated_at,
)  # fmt: skip
_OPEN = _I.accepted_at.is_(None) & _I.declined_at.is_(None)
_GOOD = _OPEN & (_I.expires_at > func.now())


class InvitationRepository:
    def __init__(
        self,
        session: SqlSession,
        paginator: Paging,
        projects: Projects,
        members: Members,
        users: Users,
        caller: CurrentCaller,
    ) -> None:
        self._session, self._paginator = session, paginator
        self._projects, self._members, self._users = projects, members, users
        self._user_id = caller.user_id

    async def get(self, project_id: UUID, invitation_id: UUID) -> InvitationRead:
        await self._projects.must(project_id, "invite")
        return await self._get(project_id, invitation_id)

    async def list(self, project_id: UUID, query: InvitationQuery) -> Page[InvitationRead]:
        """Those nobody has answered, also where they have run out."""
        await self._projects.must(project_id, "invite")
        statement = select(*_COLUMNS).where(_I.project_id == project_id, _OPEN)
        return await sql_page(
            self._session, statement, _I, query, self._paginator, InvitationRead.model_validate
        )

    async def list_mine(self, query: InvitationQuery) -> Page[InvitationToMe]:
        """Those to the caller's email that can be accepted."""
        statement = self._to_me().where(_GOOD)
        return await sql_page(
            self._session, statement, _I, query, self._paginator, InvitationToMe.model_validate
        )

    async def add(self, project_id: UUID, invitation: InvitationCreate) -> InvitationRead:
        mine = await self._projects.hold(project_id, "invite")
        must_reach(mine, invitation.role)
        email = func.lower(invitation.email)
        there = exists().where(
            ProjectMember.project_id == project_id,
            ProjectMember.user_id == User.id,
            func.lower(User.email) == email,
        )
        if await self._session.scalar(select(there)):
            raise AlreadyMember
        same = (_I.project_id == project_id) & (func.lower(_I.email) == email)
        outlived = delete(_I).where(same, _OPEN, _I.expires_at <= func.now())
        await self._session.execute(outlived)
        values = {
            **invitation.model_dump(),
            "project_id": project_id,
            "invited_by": self._user_id,
            "expires_at": func.now() + literal(GOOD_FOR),
        }
        statement = insert(_I).values(**values).returning(*_COLUMNS)
        return InvitationRead.model_validate((await self._session.execute(statement)).one())

    async def withdraw(self, project_id: UUID, invitation_id: UUID, expected: Expected) -> None:
        mine = await self._projects.hold(project_id, "invite")
        must_reach(mine, (await self._get(project_id, invitation_id)).role)
        where = _is(project_id, invitation_id)
        await remove_row(self._session, _I, where, expected, InvitationNotFound)

    async def accept(self, invitation_id: UUID) -> ProjectRead:
        """The caller is in the project then, as what the invitation says."""
        answered = await self._answer(invitation_id, "accepted_at")
        if self._user_id is not None:
            await self._members.admit(answered.project_id, self._user_id, answered.role)
        return await self._projects.get(answered.project_id)

    async def decline(self, invitation_id: UUID) -> InvitationRead:
        return await self._answer(invitation_id, "declined_at")

    async def _answer(self, invitation_id: UUID, how: str) -> InvitationRead:
        await self._users.lock(self._user_id)  # whose email stays what it is meanwhile
        statement = self._to_me().where(_I.id == invitation_id)
        found = (await self._session.execute(statement)).one_or_none()
        if found is None or not await self._projects.lock(found.project_id):
            raise InvitationNotFound
        answer = (
            update(_I)
            .where(_I.id == invitation_id, _GOOD)
            .values({how: func.now(), "version": _I.version + 1})
            .returning(*_COLUMNS)
        )
        row = (await self._session.execute(answer)).one_or_none()
        if row is None:
            await self._refuse(invitation_id)
        return InvitationRead.model_validate(row)

    async def _get(self, project_id: UUID, invitation_id: UUID) -> InvitationRead:
        statement = select(*_COLUMNS).where(_is(project_id, invitation_id))
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise InvitationNotFound
        return InvitationRead.model_validate(row)

    async def _refuse(self, invitation_id: UUID) -> NoReturn:
        is_open = await self._session.scalar(select(_OPEN).where(_I.id == invitation_id))
        if is_open is None:
            raise InvitationNotFound
        raise InvitationExpired if is_open else InvitationAnswered

    def _to_me(self) -> AnySelect:
        """The base of every query of the invited one."""
        my_email = select(func.lower(User.email)).where(
            User.id == self._user_id, is_deleted_user(False)
        )
        inviter = User.__table__.alias("inviter")
        return (
            select(
                *_COLUMNS,
                Project.name.label("project_name"),
                inviter.c.username.label("invited_by_username"),
            )
            .join(Project, Project.id == _I.project_id)
            .join(inviter, inviter.c.id == _I.invited_by)
            .where(func.lower(_I.email) == my_email.scalar_subquery(), is_deleted(False))
        )


def _is(project_id: UUID, invitation_id: UUID) -> ColumnElement[bool]:
    return (_I.project_id == project_id) & (_I.id == invitation_id) & _OPEN


Invitations = Annotated[InvitationRepository, provided(InvitationRepository)]
