"""Projects in PostgreSQL, and what the caller may do in each."""

from functools import cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    String,
    Uuid,
    any_,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)

from service.auth.caller import Forbidden
from service.core.errors import Conflict, NotFound
from service.relational.projects.permissions import RIGHTS, ProjectRole, Right, roles_with
from service.relational.projects.schemas import (
    ProjectCreate,
    ProjectQuery,
    ProjectRead,
    ProjectUpdate,
)
from service.relational.projects.tables import Project, ProjectMember
from service.relational.users.repository import UserRepository
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import ListQuery, Page
from service.web.schemas import changes


class ProjectNotFound(NotFound):
    code, title = "project_not_found", "Project does not exist"
    detail = "Check the id and your membership; an owner can restore a deleted project."


class ProjectGone(ProjectNotFound):
    constraints = ("fk_project_members_project_id", "fk_project_invitations_project_id")


class CreatorUnknown(Conflict):
    code, title = "creator_unknown", "Your user does not exist or was deleted"
    constraints = "fk_projects_created_by"


class ProjectRoleTooWeak(Forbidden):
    code, title = "project_role_too_weak", "Role in this project is too weak"

    def __init__(self, role: ProjectRole, right: Right) -> None:
        wanted = " or ".join(roles_with(right))
        super().__init__(f'Permission "{right}" requires role {wanted}; yours is {role}.')


_SHOWN = {**projection(Project, ProjectRead, without=("my_role",)), "my_role": ProjectMember.role}
_MEMBERSHIP = (ProjectMember.project_id == Project.id) & (
    ProjectMember.user_id == bindparam("user_id", type_=Uuid)
)


@cache
def projects(*, every: bool) -> SqlListing:
    """Return the list of the projects that ``user_id`` is in, or of every project."""
    source = Project.__table__.join(ProjectMember.__table__, _MEMBERSHIP, isouter=every)
    return SqlListing(
        Project,
        ProjectQuery,
        _SHOWN,
        schema=ProjectRead,
        filters={"my_role": ProjectMember.role},
        elsewhere=["deleted"],
        source=source,
    )


class ProjectRepository(SqlRepository[ProjectRead]):
    """Members alone see a project; ``projects:admin`` acts as an owner of every one.

    Rows of several tables are locked in this order: users, the project, its members, its
    invitations.
    """

    table, schema, missing = Project, ProjectRead, ProjectNotFound
    listing = projects(every=False)

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._users = UserRepository(context)
        self._user_id = context.caller.user_id
        self._owns_all = context.caller.has_scope("projects:admin")
        self.listing = projects(every=self._owns_all)

    def parameters(self) -> dict[str, Any]:
        return {"user_id": self._user_id}

    async def get(self, project_id: UUID) -> ProjectRead:
        return await self._get(self._is(project_id) & is_deleted(False))

    async def list(self, query: ListQuery) -> Page[ProjectRead]:
        deleted = getattr(query, "deleted", False)
        conditions = [is_deleted(deleted)]
        if deleted and not self._owns_all:
            # The estimate of a count takes no IN.
            roles = literal(list(roles_with("delete")), ARRAY(String))
            conditions.append(ProjectMember.role == any_(roles))
        return await self._page(query, *conditions)

    async def add(self, project: ProjectCreate) -> ProjectRead:
        if not await self._users.lock(self._user_id):
            raise CreatorUnknown
        values = {**project.model_dump(), "created_by": self._user_id}
        statement = insert(Project).values(**values).returning(*Project.__table__.c)
        row = (await self._session.execute(statement)).one()
        owner = {"project_id": row.id, "user_id": self._user_id, "role": "owner"}
        await self._session.execute(insert(ProjectMember).values(**owner))
        return ProjectRead(**row._mapping, my_role="owner")

    async def change(
        self, project_id: UUID, change: ProjectUpdate, expected: Expected
    ) -> ProjectRead:
        await self.lock_with(project_id, "edit")
        await self._change(self._is(project_id), changes(change), expected)
        return await self.get(project_id)

    async def remove(self, project_id: UUID, expected: Expected) -> None:
        """Hide the project and its invitations; an owner can restore both."""
        await self.lock_with(project_id, "delete")
        await self._change(self._is(project_id), {"deleted_at": func.now()}, expected)

    async def restore(self, project_id: UUID) -> ProjectRead:
        """Bring a deleted project back; a project that was not deleted stays as it is."""
        await self.lock(project_id)
        role, deleted = await self._role(project_id)
        if "delete" not in RIGHTS[role].to:
            raise ProjectNotFound if deleted else ProjectRoleTooWeak(role, "delete")
        if deleted:
            values = {"deleted_at": None, "version": Project.version + 1}
            await self._session.execute(
                update(Project).where(self._is(project_id)).values(**values)
            )
        return await self.get(project_id)

    async def require(self, project_id: UUID, right: Right) -> ProjectRole:
        """Return the caller's role.

        Raises:
            ProjectNotFound: the caller is no member, or the project was deleted.
            ProjectRoleTooWeak: the role lacks the right.
        """
        role, deleted = await self._role(project_id)
        if deleted:
            raise ProjectNotFound
        if right not in RIGHTS[role].to:
            raise ProjectRoleTooWeak(role, right)
        return role

    async def lock_with(self, project_id: UUID, right: Right) -> ProjectRole:
        """As ``require``; project, roles and invitations stay until the transaction ends.

        The role is read in a statement after the lock, so that it is the current one.
        """
        await self.lock(project_id)
        return await self.require(project_id, right)

    async def lock(self, project_id: UUID) -> bool:
        """Return whether the project exists for anybody; it stays until the transaction ends.

        FOR NO KEY UPDATE lets the foreign keys of other transactions through.
        """
        project = select(Project.deleted_at).where(self._is(project_id))
        locked = await self._session.execute(project.with_for_update(key_share=True))
        row = locked.one_or_none()
        return row is not None and row.deleted_at is None

    async def _role(self, project_id: UUID) -> tuple[ProjectRole, bool]:
        """Return the caller's role, and whether the project is deleted."""
        statement = (
            select(Project.deleted_at, ProjectMember.role)
            .outerjoin(ProjectMember, _MEMBERSHIP)
            .where(self._is(project_id))
        )
        row = (await self._session.execute(statement, self.parameters())).one_or_none()
        if row is None or (row.role is None and not self._owns_all):
            raise ProjectNotFound
        return "owner" if self._owns_all else row.role, row.deleted_at is not None


def is_deleted(deleted: bool) -> ColumnElement[bool]:
    """Return the condition of deleted projects, or of the others."""
    return Project.deleted_at.is_not(None) if deleted else Project.deleted_at.is_(None)


Projects = Annotated[ProjectRepository, Depends(ProjectRepository.from_request)]
