"""Members of projects in PostgreSQL."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, insert

from service.auth.caller import Forbidden
from service.core.errors import Conflict, NotFound, Refused
from service.relational.audit.repository import AuditTrail
from service.relational.projects.permissions import RIGHTS, ProjectRole, Right
from service.relational.projects.repository import ProjectRepository
from service.relational.projects.schemas import MemberQuery, MemberRead, MemberUpdate
from service.relational.projects.tables import ProjectMember
from service.relational.users.tables import User
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import Page
from service.web.schemas import changes


class MemberNotFound(NotFound):
    code, title = "member_not_found", "User is not a member of this project"


class AlreadyMember(Conflict):
    code, title = "already_member", "User is a member already"
    constraints = "uq_project_members_user"


class MemberUnknown(Conflict):
    code, title, constraints = (
        "member_unknown",
        "User does not exist",
        "fk_project_members_user_id",
    )


class LastOwner(Conflict):
    code, title = "last_owner", "Project would have no owner"
    detail = "Make another member an owner first, or delete the project."
    constraints = "ck_project_members_last_owner"


class ProjectRoleTooStrong(Forbidden):
    code, title = "project_role_too_strong", "Role is above your own"

    def __init__(self, own_role: ProjectRole) -> None:
        reach = ", ".join(role for role in RIGHTS if role in RIGHTS[own_role].over)
        super().__init__(f"Your role is {own_role}: give and take only {reach or 'no roles'}.")


class UnknownProjectRole(Refused):
    code, title, pointer = "project_role", "Unknown project role", "/role"
    constraints = ("ck_project_members_role", "ck_project_invitations_role")


_SHOWN = {
    **projection(ProjectMember, MemberRead, without=("username", "name")),
    "username": User.username,
    "name": User.name,
}


class MemberRepository(SqlRepository[MemberRead]):
    """Every member sees all of them; ``permissions.py`` defines who changes whom.

    The database keeps the last owner, as :class:`LastOwner` at the commit.
    """

    table, schema, missing = ProjectMember, MemberRead, MemberNotFound
    listing = SqlListing(
        ProjectMember,
        MemberQuery,
        _SHOWN,
        schema=MemberRead,
        source=ProjectMember.__table__.join(User.__table__, User.id == ProjectMember.user_id),
    )

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._projects = ProjectRepository(context)
        self._user_id = context.caller.user_id
        self._trail = AuditTrail(context.request, context.caller)

    async def get_of(self, project_id: UUID, user_id: UUID) -> MemberRead:
        await self._projects.require(project_id, "read")
        return await self._get(_is(project_id, user_id))

    async def list_of(self, project_id: UUID, query: MemberQuery) -> Page[MemberRead]:
        await self._projects.require(project_id, "read")
        return await self._page(query, ProjectMember.project_id == project_id)

    async def add(self, project_id: UUID, user_id: UUID, role: ProjectRole) -> None:
        values = {"project_id": project_id, "user_id": user_id, "role": role}
        await self._session.execute(insert(ProjectMember).values(**values))
        await self._note(project_id, user_id, None, role)

    async def change(
        self, project_id: UUID, user_id: UUID, change: MemberUpdate, expected: Expected
    ) -> MemberRead:
        own_role = await self._projects.lock_with(project_id, "change_roles")
        before = (await self._get(_is(project_id, user_id))).role
        values = changes(change)
        role = values.get("role", before)
        require_reach(own_role, before, role)
        await self._change(_is(project_id, user_id), values, expected)
        if before != role:
            await self._note(project_id, user_id, before, role)
        return await self._get(_is(project_id, user_id))

    async def remove_of(self, project_id: UUID, user_id: UUID, expected: Expected) -> None:
        """Remove a member; every member may remove themselves."""
        right: Right = "leave" if user_id == self._user_id else "remove_members"
        own_role = await self._projects.lock_with(project_id, right)
        before = (await self._get(_is(project_id, user_id))).role
        if right == "remove_members":
            require_reach(own_role, before)
        await self._remove(_is(project_id, user_id), expected)
        await self._note(project_id, user_id, before, None)

    async def leave(self, project_id: UUID) -> None:
        if self._user_id is None:
            raise MemberNotFound
        await self.remove_of(project_id, self._user_id, None)

    async def _note(
        self,
        project_id: UUID,
        user_id: UUID,
        before: ProjectRole | None,
        after: ProjectRole | None,
    ) -> None:
        details = {"project_id": str(project_id), "before": before, "after": after}
        await self._trail.note(
            self._session, "project_role_changed", subject_id=user_id, details=details
        )


def require_reach(own_role: ProjectRole, *roles: ProjectRole) -> None:
    """Raise ProjectRoleTooStrong where a caller of this role may not give one of the roles."""
    if not RIGHTS[own_role].over.issuperset(roles):
        raise ProjectRoleTooStrong(own_role)


def _is(project_id: UUID, user_id: UUID) -> ColumnElement[bool]:
    return (ProjectMember.project_id == project_id) & (ProjectMember.user_id == user_id)


Members = Annotated[MemberRepository, Depends(MemberRepository.from_request)]
