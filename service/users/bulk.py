"""Many users at once, all or none."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, String, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or
from uuid_utils.compat import uuid7

from service.access.caller import Gate
from service.audit.repository import Trail
from service.errors import Conflict, FieldError
from service.provide import provided
from service.sql import SqlSession, after_commit
from service.users.reading import is_deleted
from service.users.repository import COLUMNS, UserNotFound, Users, row_values
from service.users.schemas import UserCreate, UserRead
from service.users.tables import User


class SomeUsersTaken(Conflict):
    code, title = "users_taken", "Some usernames or emails are already taken"
    detail = "Nothing was created; errors names each place."


class UserBulk:
    """For those with ``users:admin``, as the addresses say."""

    def __init__(self, session: SqlSession, users: Users, trail: Trail, gate: Gate) -> None:
        self._session, self._users = session, users
        self._trail, self._gate = trail, gate

    async def add_all(self, users: Sequence[UserCreate]) -> Sequence[UserRead]:
        """All or none, in one statement."""
        prepared = await asyncio.gather(*map(row_values, users))
        values = [{"id": uuid7(), **row} for row in prepared]
        # In one order for everybody, so that two that overlap do not wait for each other in turn.
        ordered = sorted(values, key=lambda row: str(row["username"]).lower())
        statement = insert_or(User).on_conflict_do_nothing().returning(*COLUMNS)
        rows = (await self._session.execute(statement, ordered)).all()
        if len(rows) < len(users):
            raise SomeUsersTaken(errors=await self._taken(values, {row.id for row in rows}))
        made = {row.id: UserRead.model_validate(row) for row in rows}
        await self._users.note_roles({user.id: user.role for user in made.values()})
        return [made[value["id"]] for value in values]

    async def deactivate_all(self, user_ids: Sequence[UUID]) -> Sequence[UserRead]:
        """All or none; rows are locked in the order of their ids, so that two never deadlock."""
        locked = select(User.id).where(User.id.in_(user_ids), is_deleted(False))
        found = set(await self._session.scalars(locked.order_by(User.id).with_for_update()))
        unknown = [place for place, user_id in enumerate(user_ids) if user_id not in found]
        if unknown:
            errors = [
                FieldError(pointer=f"/items/{place}", code="user_not_found", detail="No such user.")
                for place in unknown
            ]
            raise UserNotFound("Nothing was changed; errors names each place.", errors=errors)
        statement = (
            update(User)
            .where(User.id.in_(found))
            .values(is_active=False, version=User.version + 1)
            .returning(*COLUMNS)
        )
        rows = {
            row.id: UserRead.model_validate(row) for row in await self._session.execute(statement)
        }
        await self._trail.note_all(self._session, "user_changed", found, {"is_active": False})
        for user_id in found:
            after_commit(self._session, partial(self._gate.forget_user, user_id))
        return [rows[user_id] for user_id in dict.fromkeys(user_ids)]

    async def _taken(
        self, values: Sequence[dict[str, Any]], made: set[UUID]
    ) -> Sequence[FieldError]:
        """Which fields of which items collided, with a stored user or with one another."""
        places = [place for place, value in enumerate(values) if value["id"] not in made]
        taken = []
        for field, column in (("email", User.email), ("username", User.username)):
            wanted = cast([values[place][field] for place in places], ARRAY(String))
            typed = (
                func.unnest(wanted).table_valued("value", with_ordinality="nth").render_derived()
            )
            same = func.lower(column) == func.lower(typed.c.value)
            found = await self._session.scalars(select(typed.c.nth).join(User, same))
            taken += [(places[nth - 1], field) for nth in found]
        return [
            FieldError(pointer=f"/items/{place}/{field}", code=f"{field}_taken", detail="Taken.")
            for place, field in sorted(taken)
        ]


Bulk = Annotated[UserBulk, provided(UserBulk)]
