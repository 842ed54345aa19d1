"""Projects in PostgreSQL."""

from typing import Annotated
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, select, update

from service.auth.caller import CurrentCaller, Forbidden
from service.core.errors import Conflict, NotFound
from service.relational.projects.permissions import RIGHTS, ProjectRole, Right, roles_with
from service.relational.projects.schemas import (
    ProjectCreate,
    ProjectQuery,
    ProjectRead,
    ProjectUpdate,
)
from service.relational.projects.tables import Project, ProjectMember
from service.relational.users.repository import Users
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import AnySelect, Columns, change_row, filtered, sql_page
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging
from service.web.schemas import changes


class ProjectNotFound(NotFound):
    code, title = "project_not_found", "There is no such project"
    detail = "No project that you are in has this id, or it was deleted; an owner can restore it."


class ProjectGone(ProjectNotFound):
    constraints = ("fk_project_members_project_id", "fk_project_invitations_project_id")


class CreatorUnknown(Conflict):
    code, title = "creator_unknown", "You are no user, or not any more"
    constraints = "fk_projects_created_by"


class ProjectRoleTooWeak(Forbidden):
    code, title = "project_role_too_weak", "Your role in this project does not reach that far"

    def __init__(self, role: ProjectRole, right: Right) -> None:
        wanted = " or ".join(roles_with(right))
        super().__init__(f"To {right.replace('_', ' ')} it takes {wanted}; you are {role}.")


_COLUMNS = columns(
    Project.id, Project.name, Project.description, Project.created_by, Project.version,
    Project.created_at, Project.updated_at, Project.deleted_at,
)  # fmt: skip
_FILTERED: Columns = {"my_role": ProjectMember.role}


class ProjectRepository:
    """Members alone see a project; ``projects:admin`` is an owner of every one.

    Whoever locks rows of several tables does so in this order: users, the project, its members, its
    invitations.
    """

    def __init__(
        self, session: SqlSession, paginator: Paging, users: Users, caller: CurrentCaller
    ) -> None:
        self._session, self._paginator, self._users = session, paginator, users
        self._user_id, self._owns_all = caller.user_id, caller.has_scope("projects:admin")

    async def get(self, project_id: UUID) -> ProjectRead:
        statement = self._selected(is_deleted(False)).where(Project.id == project_id)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise ProjectNotFound
        return ProjectRead.model_validate(row)

    async def list(self, query: ProjectQuery) -> Page[ProjectRead]:
        statement = self._selected(is_deleted(query.deleted))
        statement = filtered(statement, query.filters(), _FILTERED)
        if query.deleted and not self._owns_all:
            statement = statement.where(ProjectMember.role.in_(roles_with("delete")))
        return await sql_page(
            self._session, statement, Project, query, self._paginator, ProjectRead.model_validate
        )

    async def add(self, project: ProjectCreate) -> ProjectRead:
        if not await self._users.lock(self._user_id):
            raise CreatorUnknown
        values = {**project.model_dump(), "created_by": self._user_id}
        statement = insert(Project).values(**values).returning(*_COLUMNS)
        row = (await self._session.execute(statement)).one()
        first = {"project_id": row.id, "user_id": self._user_id, "role": "owner"}
        await self._session.execute(insert(ProjectMember).values(**first))
        return ProjectRead(**row._mapping, my_role="owner")

    async def change(
        self, project_id: UUID, change: ProjectUpdate, expected: Expected
    ) -> ProjectRead:
        await self.hold(project_id, "edit")
        where, values = Project.id == project_id, changes(change)
        await change_row(self._session, Project, where, values, expected, ProjectNotFound)
        return await self.get(project_id)

    async def remove(self, project_id: UUID, expected: Expected) -> None:
        """Nobody sees it any more, and its invitations; an owner can restore both."""
        await self.hold(project_id, "delete")
        where, values = Project.id == project_id, {"deleted_at": func.now()}
        await change_row(self._session, Project, where, values, expected, ProjectNotFound)

    async def restore(self, project_id: UUID) -> ProjectRead:
        """Brings a deleted project back; one that was not deleted stays as it is."""
        await self.lock(project_id)
        role, deleted = await self._standing(project_id)
        if "delete" not in RIGHTS[role].to:
            raise ProjectNotFound if deleted else ProjectRoleTooWeak(role, "delete")
        if deleted:
            await self._session.execute(
                update(Project)
                .where(Project.id == project_id)
                .values(deleted_at=None, version=Project.version + 1)
            )
        return await self.get(project_id)

    async def must(self, project_id: UUID, right: Right) -> ProjectRole:
        """As what the caller is there.

        Raises:
            ProjectNotFound: they are no member, or it was deleted.
            ProjectRoleTooWeak: their role lacks the right.
        """
        role, deleted = await self._standing(project_id)
        if deleted:
            raise ProjectNotFound
        if right not in RIGHTS[role].to:
            raise ProjectRoleTooWeak(role, right)
        return role

    async def hold(self, project_id: UUID, right: Right) -> ProjectRole:
        """As `must`; project, roles and invitations are the caller's until the transaction ends.

        The role is read in a statement after the lock, so that it is the one of now.
        """
        await self.lock(project_id)
        return await self.must(project_id, right)

    async def lock(self, project_id: UUID) -> bool:
        """Whether it is there, for anybody; it stays so until the transaction ends.

        Others may still refer to it: FOR NO KEY UPDATE lets their foreign keys through.
        """
        there = select(Project.deleted_at).where(Project.id == project_id)
        row = (await self._session.execute(there.with_for_update(key_share=True))).one_or_none()
        return row is not None and row.deleted_at is None

    async def _standing(self, project_id: UUID) -> tuple[ProjectRole, bool]:
        """The caller's role, and whether the project is deleted."""
        statement = (
            select(Project.deleted_at, ProjectMember.role)
            .outerjoin(ProjectMember, self._me())
            .where(Project.id == project_id)
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None or (row.role is None and not self._owns_all):
            raise ProjectNotFound
        return "owner" if self._owns_all else row.role, row.deleted_at is not None

    def _selected(self, base: ColumnElement[bool]) -> AnySelect:
        """The base of every query: the projects the caller is in, or all of them."""
        return (
            select(*_COLUMNS, ProjectMember.role.label("my_role"))
            .join(ProjectMember, self._me(), isouter=self._owns_all)
            .where(base)
        )

    def _me(self) -> ColumnElement[bool]:
        return (ProjectMember.project_id == Project.id) & (ProjectMember.user_id == self._user_id)


def is_deleted(deleted: bool) -> ColumnElement[bool]:
    """Projects that were deleted, or those that were not."""
    return Project.deleted_at.is_not(None) if deleted else Project.deleted_at.is_(None)


Projects = Annotated[ProjectRepository, provided(ProjectRepository)]
