"""The members of a project in PostgreSQL."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select

from service.auth.caller import CurrentCaller, Forbidden
from service.core.errors import Conflict, NotFound, Refused
from service.relational.audit.repository import Trail
from service.relational.projects.permissions import RIGHTS, ProjectRole, Right
from service.relational.projects.repository import Projects
from service.relational.projects.schemas import MemberQuery, MemberRead
from service.relational.projects.tables import ProjectMember
from service.relational.users.tables import User
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import change_row, remove_row, sql_page
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging


class MemberNotFound(NotFound):
    code, title = "member_not_found", "There is no such member in this project"


class AlreadyMember(Conflict):
    code, title = "already_member", "They are in this project already"
    constraints = "uq_project_members_user"


class MemberUnknown(Conflict):
    code, title, constraints = (
        "member_unknown",
        "There is no such user",
        "fk_project_members_user_id",
    )


class LastOwner(Conflict):
    code, title = "last_owner", "A project always has an owner"
    detail = "Make somebody else an owner first, or delete the project."
    constraints = "ck_project_members_last_owner"


class ProjectRoleTooStrong(Forbidden):
    code, title = "project_role_too_strong", "Nobody gives or takes a role above their own"

    def __init__(self, mine: ProjectRole) -> None:
        reach = ", ".join(each for each in RIGHTS if each in RIGHTS[mine].over)
        super().__init__(f"You are {mine}: who is, or is to be, one of {reach} is yours to change.")


class UnknownProjectRole(Refused):
    code, title, pointer = "project_role", "There is no such role in projects", "/role"
    constraints = ("ck_project_members_role", "ck_project_invitations_role")


_COLUMNS = columns(
    ProjectMember.id, ProjectMember.project_id, ProjectMember.user_id, User.username, User.name,
    ProjectMember.role, ProjectMember.version, ProjectMember.created_at, ProjectMember.updated_at,
)  # fmt: skip


class MemberRepository:
    """Every member sees all of them; who changes whom stands in ``rights``.

    That the last owner stays is for the database to say: it is :class:`LastOwner` at the commit.
    """

    def __init__(
        self,
        session: SqlSession,
        paginator: Paging,
        projects: Projects,
        caller: CurrentCaller,
        trail: Trail,
    ) -> None:
        self._session, self._paginator, self._projects = session, paginator, projects
        self._user_id, self._trail = caller.user_id, trail

    async def get(self, project_id: UUID, user_id: UUID) -> MemberRead:
        await self._projects.must(project_id, "read")
        return await self._get(project_id, user_id)

    async def list(self, project_id: UUID, query: MemberQuery) -> Page[MemberRead]:
        await self._projects.must(project_id, "read")
        statement = select(*_COLUMNS).join(User, User.id == ProjectMember.user_id)
        statement = statement.where(ProjectMember.project_id == project_id)
        return await sql_page(
            self._session,
            statement,
            ProjectMember,
            query,
            self._paginator,
            MemberRead.model_validate,
        )

    async def admit(self, project_id: UUID, user_id: UUID, role: ProjectRole) -> None:
        values = {"project_id": project_id, "user_id": user_id, "role": role}
        await self._session.execute(insert(ProjectMember).values(**values))
        await self._note(project_id, user_id, None, role)

    async def change_role(
        self, project_id: UUID, user_id: UUID, role: ProjectRole, expected: Expected
    ) -> MemberRead:
        mine = await self._projects.hold(project_id, "change_roles")
        before = (await self._get(project_id, user_id)).role
        must_reach(mine, before, role)
        where, values = _is(project_id, user_id), {"role": role}
        await change_row(self._session, ProjectMember, where, values, expected, MemberNotFound)
        if before != role:
            await self._note(project_id, user_id, before, role)
        return await self._get(project_id, user_id)

    async def remove(self, project_id: UUID, user_id: UUID, expected: Expected) -> None:
        """Takes somebody out; oneself too, which everybody may."""
        right: Right = "leave" if user_id == self._user_id else "remove_members"
        mine = await self._projects.hold(project_id, right)
        before = (await self._get(project_id, user_id)).role
        if right == "remove_members":
            must_reach(mine, before)
        where = _is(project_id, user_id)
        await remove_row(self._session, ProjectMember, where, expected, MemberNotFound)
        await self._note(project_id, user_id, before, None)

    async def leave(self, project_id: UUID) -> None:
        if self._user_id is None:
            raise MemberNotFound
        await self.remove(project_id, self._user_id, None)

    async def _get(self, project_id: UUID, user_id: UUID) -> MemberRead:
        statement = select(*_COLUMNS).join(User, User.id == ProjectMember.user_id)
        found = await self._session.execute(statement.where(_is(project_id, user_id)))
        row = found.one_or_none()
        if row is None:
            raise MemberNotFound
        return MemberRead.model_validate(row)

    async def _note(
        self,
        project_id: UUID,
        user_id: UUID,
        before: ProjectRole | None,
        after: ProjectRole | None,
    ) -> None:
        told = {"project_id": str(project_id), "before": before, "after": after}
        await self._trail.note(
            self._session, "project_role_changed", subject_id=user_id, details=told
        )


def must_reach(mine: ProjectRole, *roles: ProjectRole) -> None:
    """Refuses who would give one of these roles, or touch its holder, and may not."""
    if not RIGHTS[mine].over.issuperset(roles):
        raise ProjectRoleTooStrong(mine)


def _is(project_id: UUID, user_id: UUID) -> ColumnElement[bool]:
    return (ProjectMember.project_id == project_id) & (ProjectMember.user_id == user_id)


Members = Annotated[MemberRepository, provided(MemberRepository)]
