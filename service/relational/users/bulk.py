"""Many users at once, all or none or each by itself."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import func, select, update
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentAuthenticator
from service.core.errors import Conflict, FieldError
from service.relational.audit.repository import Trail
from service.relational.users.queries import COLUMNS, is_deleted
from service.relational.users.repository import UserNotFound, Users, row_values
from service.relational.users.schemas import UserCreate, UserRead
from service.relational.users.tables import User
from service.stores.sql.bulk import advisory_lock, any_of, insert_missing, unnest_rows
from service.stores.sql.engine import SqlSession
from service.stores.sql.session import after_commit
from service.web.bulk import BulkItems
from service.web.context import provided


class SomeUsersTaken(Conflict):
    code, title = "users_taken", "Some usernames or emails are already taken"
    detail = "Somebody has the username or the email, perhaps a deleted user."


class UserBulk:
    """For those with ``users:admin``, as the addresses say."""

    def __init__(
        self, session: SqlSession, users: Users, trail: Trail, authenticator: CurrentAuthenticator
    ) -> None:
        self._session, self._users = session, users
        self._trail, self._authenticator = trail, authenticator

    async def add_all(self, batch: BulkItems[UserCreate]) -> Mapping[int, UserRead]:
        """Those that can be made, in one statement."""
        batch.check_each(self._must_reach)
        if not batch.pending:
            return {}
        prepared = await asyncio.gather(*map(row_values, batch.pending.values()))
        values = {
            place: {"id": uuid7(), **row}
            for place, row in zip(batch.pending, prepared, strict=True)
        }
        # By username they have an order, but their emails have another.
        await advisory_lock(self._session, "users", alone=True)
        into = insert_missing(User, list(values.values()), ordered_by="username")
        rows = await self._session.execute(into.returning(*COLUMNS))
        made = {row.id: UserRead.model_validate(row) for row in rows}
        taken = {place: row for place, row in values.items() if row["id"] not in made}
        for place, errors in (await self._taken(taken)).items():
            batch.fail(place, SomeUsersTaken(errors=errors))
        await self._users.note_roles({user.id: user.role for user in made.values()})
        return {place: made[values[place]["id"]] for place in batch.pending}

    async def deactivate_all(self, batch: BulkItems[UUID]) -> Mapping[int, UserRead]:
        """Rows are locked in the order of their ids, so that two never deadlock."""
        wanted = any_of(User.id, set(batch.pending.values()))
        locked = select(User.id).where(wanted, is_deleted(False)).order_by(User.id)
        found = set(await self._session.scalars(locked.with_for_update(key_share=True)))
        for place, user_id in list(batch.pending.items()):
            if user_id not in found:
                batch.fail(place, UserNotFound())
        statement = (
            update(User)
            .where(any_of(User.id, found))
            .values(is_active=False, version=User.version + 1)
            .returning(*COLUMNS)
            .execution_options(synchronize_session=False)
        )
        rows = {
            row.id: UserRead.model_validate(row) for row in await self._session.execute(statement)
        }
        await self._trail.note_all(self._session, "user_changed", found, {"is_active": False})
        for user_id in found:
            after_commit(self._session, partial(self._authenticator.invalidate_user, user_id))
        return {place: rows[user_id] for place, user_id in batch.pending.items()}

    def _must_reach(self, user: UserCreate) -> None:
        if user.role != "member":
            self._users.must_reach(user.role)

    async def _taken(
        self, unmade: Mapping[int, Mapping[str, Any]]
    ) -> Mapping[int, Sequence[FieldError]]:
        """Which fields of which items collided, with a stored user or with one another."""
        taken: dict[int, list[FieldError]] = {place: [] for place in unmade}
        if not unmade:
            return taken
        given = unnest_rows(
            User, [{name: row[name] for name in _UNIQUE} for row in unmade.values()]
        )
        places = list(unmade)
        for field, column in _UNIQUE.items():
            same = func.lower(column) == func.lower(given.c[field])
            found = select(given.c.nth).join(User, same).order_by(given.c.nth)
            for nth in await self._session.scalars(found):
                error = FieldError(pointer=f"/{field}", code=f"{field}_taken", detail="Taken.")
                taken[places[nth - 1]].append(error)
        return taken


_UNIQUE = {"email": User.email, "username": User.username}
UsersAtOnce = Annotated[UserBulk, provided(UserBulk)]
