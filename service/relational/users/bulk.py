"""Bulk creation and deactivation of users: all, none, or each by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import func, select, update

from service.auth.passwords import hash_password
from service.core.errors import Conflict, FieldError, field_error
from service.relational.audit.repository import AuditTrail
from service.relational.users.queries import is_deleted
from service.relational.users.repository import UserNotFound, UserRepository, new_row
from service.relational.users.schemas import UserCreate, UserRead
from service.relational.users.tables import User
from service.stores.sql.bulk import advisory_lock, any_of, insert_missing, read_rows, unnest_rows
from service.stores.sql.context import SqlContext, SqlService
from service.stores.sql.session import after_commit
from service.web.bulk import BulkItems

_COLUMNS = UserRepository.listing.columns


class SomeUsersTaken(Conflict):
    code, title = "users_taken", "Some usernames or emails are already taken"
    detail = "Choose others; a deleted user keeps theirs."


class UserBulk(SqlService):
    """For callers with ``users:admin``, as the routes demand."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._users = UserRepository(context)
        self._trail = AuditTrail(context.request, context.caller)

    async def add_all(self, batch: BulkItems[UserCreate]) -> Mapping[int, UserRead]:
        """Create the users that can be created, in one statement."""
        await batch.for_each(self._require_reach)
        if not batch.pending:
            return {}
        rows = await batch.for_each(new_row)
        passwords = {place: user.password for place, user in batch.pending.items() if user.password}
        hashes = await asyncio.gather(*map(hash_password, passwords.values()))
        for place, hashed in zip(passwords, hashes, strict=True):
            rows[place]["password_hash"] = hashed
        # Ordered by username, two requests could still wait for each other over emails.
        await advisory_lock(self._session, "users", alone=True)
        statement = insert_missing(User, list(rows.values()), ordered_by="username")
        created = await self._session.execute(statement.returning(*_COLUMNS))
        users = await read_rows(UserRead, created)
        taken = {place: row for place, row in rows.items() if row["id"] not in users}
        for place, errors in (await self._taken(taken)).items():
            batch.fail(place, SomeUsersTaken(errors=errors))
        await self._users.note_roles({user.id: user.role for user in users.values()})
        return {place: users[rows[place]["id"]] for place in batch.pending}

    async def deactivate_all(self, batch: BulkItems[UUID]) -> Mapping[int, UserRead]:
        """Deactivate users, locked in the order of their ids so that no two requests deadlock."""
        wanted = any_of(User.id, set(batch.pending.values()))
        locked = select(User.id).where(wanted, is_deleted(False)).order_by(User.id)
        known = set(await self._session.scalars(locked.with_for_update(key_share=True)))
        for place, user_id in list(batch.pending.items()):
            if user_id not in known:
                batch.fail(place, UserNotFound())
        statement = (
            update(User)
            .where(any_of(User.id, known))
            .values(is_active=False, version=User.version + 1)
            .returning(*_COLUMNS)
        )
        changed = await self._session.execute(statement)
        users = await read_rows(UserRead, changed)
        await self._trail.note_all(self._session, "user_changed", known, {"is_active": False})
        invalidate = self._context.authenticator.invalidate_user
        for user_id in known:
            after_commit(self._session, partial(invalidate, user_id))
        return {place: users[user_id] for place, user_id in batch.pending.items()}

    def _require_reach(self, user: UserCreate) -> None:
        if user.role != "member":
            self._users.require_reach(user.role)

    async def _taken(
        self, refused: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, Sequence[FieldError]]:
        """Return the fields of each item that a stored user or another item has already."""
        taken: dict[int, list[FieldError]] = {place: [] for place in refused}
        if not refused:
            return taken
        wanted = unnest_rows(
            User, [{name: row[name] for name in _UNIQUE} for row in refused.values()]
        )
        places = list(refused)
        for field, (column, key) in _UNIQUE.items():
            same = key(column) == key(wanted.c[field])
            matches = select(wanted.c.nth).join(User, same).order_by(wanted.c.nth)
            error = field_error(pointer=f"/{field}", code=f"{field}_taken", detail="Taken.")
            for nth in await self._session.scalars(matches):
                taken[places[nth - 1]].append(error)
        return taken


_UNIQUE = {"email": (User.email, func.email_key), "username": (User.username, func.lower)}
UserBulkDep = Annotated[UserBulk, Depends(UserBulk.from_request)]
