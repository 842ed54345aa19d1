"""Users in PostgreSQL."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, String, cast, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or
from uuid_utils.compat import uuid7

from service.access.passwords import hash_password
from service.answers import Expected
from service.errors import Conflict, FieldError, NotFound, Refused
from service.paging import Page, Paging
from service.provide import provided
from service.sql import SqlSession
from service.sql_rows import (
    AnySelect,
    Columns,
    change_row,
    filtered,
    sql_page,
    words_beginning_with,
)
from service.users.schemas import EmailQuery, UserCreate, UserEmail, UserQuery, UserRead, UserUpdate
from service.users.tables import User
from service.wire import changes


class UserNotFound(NotFound):
    code, title = "user_not_found", "There is no such user"
    detail = "No user has this id, or it was deleted; POST …/restore brings a deleted one back."


class EmailTaken(Conflict):
    code, title = "email_taken", "Email already registered"
    detail = "A user with this email exists, perhaps a deleted one."
    pointer, guards = "/email", "uq_users_email"


class UsernameTaken(Conflict):
    code, title = "username_taken", "Username already taken"
    detail = "A user with this username exists, perhaps a deleted one."
    pointer, guards = "/username", "uq_users_username"


class SomeUsersTaken(Conflict):
    code, title = "users_taken", "Some usernames or emails are already taken"
    detail = "Nothing was created; errors names each place."


class AgeOutOfRange(Refused):
    code, title, pointer, guards = "age", "An age lies between 0 and 150", "/age", "ck_users_age"


class UnknownStatus(Refused):
    code, title, pointer = "status", "There is no such status", "/status"
    guards = "ck_users_status"


_COLUMNS = (
    User.id, User.username, User.email, User.name, User.age, User.city, User.bio, User.status,
    User.is_active, User.version, User.created_at, User.updated_at, User.deleted_at,
)  # fmt: skip
_FILTERED: Columns = {
    "name": func.lower(User.name),
    "city": func.lower(User.city),
    "age": User.age,
    "status": User.status,
    "is_active": User.is_active,
    "created_at": User.created_at,
}


class UserRepository:
    def __init__(self, session: SqlSession, pager: Paging) -> None:
        self._session, self._pager = session, pager

    async def get(self, user_id: UUID) -> UserRead:
        row = (await self._session.execute(_alive().where(User.id == user_id))).one_or_none()
        if row is None:
            raise UserNotFound
        return UserRead.model_validate(row)

    async def hold(self, user_id: UUID) -> bool:
        """Whether there is such a user; there will be until the transaction ends."""
        there = select(User.id).where(User.id == user_id, _is_deleted(False))
        return await self._session.scalar(there.with_for_update(read=True)) is not None

    async def list(self, query: UserQuery) -> Page[UserRead]:
        statement = select(*_COLUMNS).where(_is_deleted(query.deleted))
        statement = _narrowed(statement, query)
        return await sql_page(
            self._session, statement, User, query, self._pager, UserRead.model_validate
        )

    async def list_emails(self, query: EmailQuery) -> Page[UserEmail]:
        statement = select(User.id, User.email, User.created_at).where(_is_deleted(False))
        statement = filtered(statement, query.filters(), _FILTERED)
        return await sql_page(
            self._session, statement, User, query, self._pager, UserEmail.model_validate
        )

    async def add(self, user: UserCreate) -> UserRead:
        values = await _row_values(user)
        row = (
            await self._session.execute(insert(User).values(**values).returning(*_COLUMNS))
        ).one()
        return UserRead.model_validate(row)

    async def add_all(self, users: Sequence[UserCreate]) -> Sequence[UserRead]:
        """All or none, in one statement."""
        prepared = await asyncio.gather(*map(_row_values, users))
        values = [{"id": uuid7(), **row} for row in prepared]
        # In one order for everybody, so that two that overlap do not wait for each other in turn.
        ordered = sorted(values, key=lambda row: str(row["username"]).lower())
        statement = insert_or(User).on_conflict_do_nothing().returning(*_COLUMNS)
        rows = (await self._session.execute(statement, ordered)).all()
        if len(rows) < len(users):
            raise SomeUsersTaken(errors=await self._taken(values, {row.id for row in rows}))
        made = {row.id: UserRead.model_validate(row) for row in rows}
        return [made[value["id"]] for value in values]

    async def change(self, user_id: UUID, change: UserUpdate, expected: Expected) -> UserRead:
        values = changes(change)
        if "password" in values:
            values["password_hash"] = await hash_password(values.pop("password"))
        await self._change(user_id, values, expected)
        return await self.get(user_id)

    async def deactivate_all(self, user_ids: Sequence[UUID]) -> Sequence[UserRead]:
        """All or none; rows are locked in the order of their ids, so that two never deadlock."""
        locked = select(User.id).where(User.id.in_(user_ids), _is_deleted(False))
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
            .returning(*_COLUMNS)
        )
        rows = {
            row.id: UserRead.model_validate(row) for row in await self._session.execute(statement)
        }
        return [rows[user_id] for user_id in dict.fromkeys(user_ids)]

    async def remove(self, user_id: UUID, expected: Expected) -> None:
        await self._change(user_id, {"deleted_at": func.now()}, expected)

    async def restore(self, user_id: UUID) -> UserRead:
        """Brings a deleted user back; one that was not deleted stays as it is."""
        statement = (
            update(User)
            .where(User.id == user_id, _is_deleted(True))
            .values(deleted_at=None, version=User.version + 1)
        )
        await self._session.execute(statement)
        return await self.get(user_id)

    async def _change(self, user_id: UUID, values: dict[str, Any], expected: Expected) -> None:
        where = (User.id == user_id) & _is_deleted(False)
        await change_row(self._session, User, where, values, expected, UserNotFound)

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


def _is_deleted(deleted: bool) -> ColumnElement[bool]:
    return User.deleted_at.is_not(None) if deleted else User.deleted_at.is_(None)


def _alive() -> AnySelect:
    return select(*_COLUMNS).where(_is_deleted(False))


def _narrowed(statement: AnySelect, query: UserQuery) -> AnySelect:
    filters = query.filters()
    for field in ("name", "city"):
        if field in filters:  # lowered by PostgreSQL, whose idea of it the index has
            filters[field] = func.lower(filters[field])
    if query.q is not None:
        statement = statement.where(words_beginning_with(User.search, query.q))
    return filtered(statement, filters, _FILTERED)


async def _row_values(user: UserCreate) -> dict[str, Any]:
    values = user.model_dump(exclude={"password"})
    hashed = None if user.password is None else await hash_password(user.password)
    return {**values, "password_hash": hashed}


Users = Annotated[UserRepository, provided(UserRepository)]
