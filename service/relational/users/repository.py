"""Users in PostgreSQL."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Response
from sqlalchemy import ColumnElement, func, select, update
from uuid_utils.compat import uuid7

from service.auth.caller import Forbidden
from service.auth.passwords import hash_password
from service.auth.roles import scopes_of
from service.core.errors import Conflict, NotFound, Refused
from service.relational.audit.repository import AuditTrail
from service.relational.users.queries import (
    EMAILS,
    NEW_USER,
    is_deleted,
    one_user,
    users,
    visible_users,
)
from service.relational.users.schemas import (
    EmailQuery,
    UserCreate,
    UserQuery,
    UserRead,
)
from service.relational.users.tables import User
from service.stores.sql.context import SqlContext
from service.stores.sql.fast_read import fetch
from service.stores.sql.repository import SqlRepository
from service.stores.sql.session import after_commit
from service.web.conditional import Expected, JsonResource


class UserNotFound(NotFound):
    code, title = "user_not_found", "User does not exist"
    detail = "Check the id; restore a deleted user with POST …/restore."


class EmailTaken(Conflict):
    code, title = "email_taken", "Email already registered"
    detail = "Choose another email; a deleted user keeps theirs."
    pointer, constraints = "/email", "uq_users_email"


class UsernameTaken(Conflict):
    code, title = "username_taken", "Username already taken"
    detail = "Choose another username; a deleted user keeps theirs."
    pointer, constraints = "/username", "uq_users_username"


class RoleTooStrong(Forbidden):
    code, title = "role_too_strong", "Role exceeds your own permissions"
    detail = "Ask an administrator who is logged in; a key cannot do this."
    pointer = "/role"


class UnknownRole(Refused):
    code, title, pointer, constraints = "role", "Unknown role", "/role", "ck_users_role"


class AgeOutOfRange(Refused):
    code, title, pointer, constraints = (
        "age",
        "Age must be between 0 and 150",
        "/age",
        "ck_users_age",
    )


class UnknownStatus(Refused):
    code, title, pointer = "status", "Unknown status", "/status"
    constraints = "ck_users_status"


class UserRepository(SqlRepository[UserRead]):
    """A caller without ``users:admin`` sees and changes their own user alone."""

    table, schema, missing = User, UserRead, UserNotFound
    listing = users(everybody=True, deleted=False)

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._authenticator = context.authenticator
        self._trail = AuditTrail(context.request, context.caller)

    @property
    def _sees_everybody(self) -> bool:
        return self._caller.has_scope("users:admin")

    def visible(self) -> ColumnElement[bool]:
        return visible_users(self._sees_everybody, self._caller.user_id)

    async def get_json(self, user_id: UUID) -> JsonResource:
        """Return one user as JSON that PostgreSQL writes: a hot read."""
        values = {"user_id": user_id, **self.parameters()}
        rows = await fetch(self._session, one_user(everybody=self._sees_everybody), values)
        if not rows:
            raise UserNotFound
        version, body = rows[0]
        return JsonResource(str(version), body)

    async def list_json(self, query: UserQuery) -> Response:
        """Return a page of users as JSON that PostgreSQL writes: a hot list."""
        listing = users(everybody=self._sees_everybody, deleted=query.deleted)
        return await listing.json_page(self._context, query, **self.parameters())

    async def list_emails(self, query: EmailQuery) -> Response:
        return await EMAILS.json_page(self._context, query)

    async def lock(self, user_id: UUID | None) -> bool:
        """Return whether there is such a user; it stays until the transaction ends."""
        user = select(User.id).where(User.id == user_id, is_deleted(False))
        return await self._session.scalar(user.with_for_update(read=True)) is not None

    async def require(self, user_id: UUID) -> None:
        """Raise UserNotFound for an unknown id, for any caller: posts show the ids of users."""
        user = select(User.id).where(User.id == user_id, is_deleted(False))
        if await self._session.scalar(user) is None:
            raise UserNotFound

    async def add(self, user: UserCreate) -> tuple[UUID, JsonResource]:
        hashed = None if user.password is None else await hash_password(user.password)
        values = {**new_row(user), "password_hash": hashed}
        row = (await self._session.execute(NEW_USER, values)).one()
        await self.note_roles({values["id"]: user.role})
        return values["id"], JsonResource(str(row.version), row.json)

    async def remove(self, user_id: UUID, expected: Expected) -> None:
        """Hide the user; ``restore`` brings them back."""
        await self._change_user(user_id, {"deleted_at": func.now()}, expected)
        await self._trail.note(self._session, "user_deleted", subject_id=user_id)

    async def restore(self, user_id: UUID) -> UserRead:
        """Bring a deleted user back; a user who was not deleted stays as they are."""
        statement = (
            update(User)
            .where(User.id == user_id, is_deleted(True))
            .values(deleted_at=None, version=User.version + 1)
            .returning(User.id)
        )
        if await self._session.scalar(statement) is not None:
            await self._trail.note(self._session, "user_restored", subject_id=user_id)
        return await self.get(user_id)

    def require_reach(self, role: str) -> None:
        """Raise RoleTooStrong for a role that may do more than the caller.

        A key may give no role, because what it made would outlive its revocation.
        """
        if self._caller.key_id is not None or not scopes_of(role) <= self._caller.scopes:
            raise RoleTooStrong

    async def note_roles(self, roles: Mapping[UUID, str]) -> None:
        """Write new users with more than the member role into the audit trail."""
        for role in set(roles.values()) - {"member"}:
            self.require_reach(role)
            user_ids = [user_id for user_id, new_role in roles.items() if new_role == role]
            details = {"after": role}
            await self._trail.note_all(self._session, "role_changed", user_ids, details)

    def parameters(self) -> dict[str, Any]:
        return {} if self._sees_everybody else {"caller_id": self._caller.user_id}

    async def _change_user(
        self, user_id: UUID, values: Mapping[str, Any], expected: Expected
    ) -> None:
        await self._change(self._is(user_id), values, expected)
        after_commit(self._session, partial(self._authenticator.invalidate_user, user_id))


def new_row(user: UserCreate) -> dict[str, Any]:
    """Return the columns of a new user, still without a password."""
    return {"id": uuid7(), **user.model_dump(exclude={"password"}), "password_hash": None}


Users = Annotated[UserRepository, Depends(UserRepository.from_request)]
