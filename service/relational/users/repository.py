"""Users in PostgreSQL."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Response
from sqlalchemy import ColumnElement, func, select, update
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentAuthenticator, CurrentCaller, Forbidden
from service.auth.passwords import hash_password
from service.auth.roles import scopes_of
from service.core.errors import Conflict, NotFound, Refused
from service.relational.audit.repository import Trail
from service.relational.users.queries import (
    COLUMNS,
    NEW_USER,
    emails,
    is_deleted,
    one_user,
    users,
    visible_users,
)
from service.relational.users.schemas import EmailQuery, UserCreate, UserQuery, UserRead, UserUpdate
from service.relational.users.tables import User
from service.stores.sql.engine import SqlSession
from service.stores.sql.fast_read import fetch
from service.stores.sql.rows import change_row
from service.stores.sql.session import after_commit
from service.web.conditional import Expected, JsonResource
from service.web.context import provided
from service.web.pagination import Paging
from service.web.schemas import changes


class UserNotFound(NotFound):
    code, title = "user_not_found", "There is no such user"
    detail = "No user has this id, or it was deleted; POST …/restore brings a deleted one back."


class EmailTaken(Conflict):
    code, title = "email_taken", "Email already registered"
    detail = "A user with this email exists, perhaps a deleted one."
    pointer, constraints = "/email", "uq_users_email"


class UsernameTaken(Conflict):
    code, title = "username_taken", "Username already taken"
    detail = "A user with this username exists, perhaps a deleted one."
    pointer, constraints = "/username", "uq_users_username"


class RoleTooStrong(Forbidden):
    code, title = "role_too_strong", "Nobody gives more than they may do themselves"
    detail = "It takes an administrator who is logged in; a key cannot do this."
    pointer = "/role"


class UnknownRole(Refused):
    code, title, pointer, constraints = "role", "There is no such role", "/role", "ck_users_role"


class AgeOutOfRange(Refused):
    code, title, pointer, constraints = (
        "age",
        "An age lies between 0 and 150",
        "/age",
        "ck_users_age",
    )


class UnknownStatus(Refused):
    code, title, pointer = "status", "There is no such status", "/status"
    constraints = "ck_users_status"


_SELECTED = select(*COLUMNS)  # built once, not for each request
# What a user may not choose for themselves.
_PRIVILEGED = ("status", "is_active", "role", "password")


class UserRepository:
    """Whoever lacks ``users:admin`` sees and changes themselves alone."""

    def __init__(
        self,
        session: SqlSession,
        paginator: Paging,
        caller: CurrentCaller,
        trail: Trail,
        authenticator: CurrentAuthenticator,
    ) -> None:
        self._session, self._paginator = session, paginator
        self._caller, self._trail, self._authenticator = caller, trail, authenticator

    async def show(self, user_id: UUID) -> JsonResource:
        values = {"user_id": user_id, **self._caller_id()}
        rows = await fetch(self._session, one_user(everybody=self._sees_everybody), values)
        if not rows:
            raise UserNotFound
        version, text = rows[0]
        return JsonResource(str(version), text)

    async def get(self, user_id: UUID) -> UserRead:
        statement = _SELECTED.where(self._seen(), User.id == user_id)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise UserNotFound
        return UserRead.model_validate(row)

    async def hold(self, user_id: UUID | None) -> bool:
        """Whether there is such a user; there will be until the transaction ends."""
        there = select(User.id).where(User.id == user_id, is_deleted(False))
        return await self._session.scalar(there.with_for_update(read=True)) is not None

    async def must_exist(self, user_id: UUID) -> None:
        """Refuses an id of nobody; whose it is may be known to all who see their posts."""
        there = select(User.id).where(User.id == user_id, is_deleted(False))
        if await self._session.scalar(there) is None:
            raise UserNotFound

    async def list(self, query: UserQuery) -> Response:
        listing = users(everybody=self._sees_everybody, deleted=query.deleted)
        return await listing.page(self._session, query, self._paginator, **self._caller_id())

    async def list_emails(self, query: EmailQuery) -> Response:
        return await emails().page(self._session, query, self._paginator)

    @property
    def _sees_everybody(self) -> bool:
        return self._caller.has_scope("users:admin")

    def _caller_id(self) -> dict[str, Any]:
        """The parameter that statements have where the caller does not see everybody."""
        return {} if self._sees_everybody else {"caller_id": self._caller.user_id}

    async def add(self, user: UserCreate) -> tuple[UUID, JsonResource]:
        user_id = uuid7()
        values = await row_values(user)
        row = (await self._session.execute(NEW_USER.values(id=user_id, **values))).one()
        await self.note_roles({user_id: user.role})
        return user_id, JsonResource(str(row.version), row.json)

    async def change(self, user_id: UUID, change: UserUpdate, expected: Expected) -> UserRead:
        values = changes(change)
        privileged = [f"/{name}" for name in _PRIVILEGED if name in values]
        if privileged:
            self._caller.require_scope("users:admin", *privileged)
        if "password" in values:
            values["password_hash"] = await hash_password(values.pop("password"))
            # Not now(): a login that held the row meanwhile is younger than this transaction.
            values["password_changed_at"] = func.clock_timestamp()
        before = await self._held_role(user_id, values)
        await self._change(user_id, values, expected)
        after = await self.get(user_id)
        await self._note_change(before, after, values)
        return after

    async def remove(self, user_id: UUID, expected: Expected) -> None:
        await self._change(user_id, {"deleted_at": func.now()}, expected)
        await self._trail.note(self._session, "user_deleted", subject_id=user_id)

    async def restore(self, user_id: UUID) -> UserRead:
        """Brings a deleted user back; one that was not deleted stays as it is."""
        statement = (
            update(User)
            .where(User.id == user_id, is_deleted(True))
            .values(deleted_at=None, version=User.version + 1)
            .returning(User.id)
        )
        if await self._session.scalar(statement) is not None:
            await self._trail.note(self._session, "user_restored", subject_id=user_id)
        return await self.get(user_id)

    async def _change(self, user_id: UUID, values: dict[str, Any], expected: Expected) -> None:
        where = (User.id == user_id) & self._seen()
        await change_row(self._session, User, where, values, expected, UserNotFound)
        after_commit(self._session, partial(self._authenticator.invalidate_user, user_id))

    def _seen(self) -> ColumnElement[bool]:
        """The base of every query: whom the caller may see."""
        return visible_users(self._sees_everybody, self._caller.user_id)

    async def _held_role(self, user_id: UUID, values: dict[str, Any]) -> str | None:
        """The role as it is until the transaction ends, if the change is about their power."""
        if "role" not in values and "password_hash" not in values:
            return None
        held = select(User.role).where(User.id == user_id, self._seen()).with_for_update()
        role = await self._session.scalar(held)
        for power in (role, values.get("role")):
            if power is not None:
                self.must_reach(power)
        return role

    def must_reach(self, role: str) -> None:
        """Refuses who would give, or take over, more than they may do themselves.

        Raises:
            RoleTooStrong: also for a key, which leaves nobody behind when it is revoked.
        """
        if self._caller.key_id is not None or not scopes_of(role) <= self._caller.scopes:
            raise RoleTooStrong

    async def _note_change(
        self, before: str | None, after: UserRead, values: dict[str, Any]
    ) -> None:
        if "password_hash" in values:
            await self._trail.note(self._session, "password_changed", subject_id=after.id)
        if before is not None and before != after.role:
            told = {"before": before, "after": after.role}
            await self._trail.note(self._session, "role_changed", subject_id=after.id, details=told)
        changed: dict[str, Any] = {
            name: values[name] for name in ("status", "is_active") if name in values
        }
        if "email" in values:
            changed["email"] = "changed"
        if changed:
            await self._trail.note_all(self._session, "user_changed", [after.id], changed)

    async def note_roles(self, made: Mapping[UUID, str]) -> None:
        """Tells the audit trail of new users who are more than members."""
        for role in set(made.values()) - {"member"}:
            self.must_reach(role)
            those, told = [each for each in made if made[each] == role], {"after": role}
            await self._trail.note_all(self._session, "role_changed", those, told)


def may_act() -> ColumnElement[bool]:
    """Users who may log in, and whose keys are good."""
    return is_deleted(False) & User.is_active & (User.status == "active")


async def row_values(user: UserCreate) -> dict[str, Any]:
    """What is kept of a new user; hashes the password."""
    values = user.model_dump(exclude={"password"})
    hashed = None if user.password is None else await hash_password(user.password)
    return {**values, "password_hash": hashed}


Users = Annotated[UserRepository, provided(UserRepository)]
