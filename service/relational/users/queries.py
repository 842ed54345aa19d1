"""What is shown of users: statements built once, whose rows are the JSON that goes out."""

from functools import cache
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Text, bindparam, func, insert, select

from service.relational.users.schemas import UserRead
from service.relational.users.tables import User
from service.stores.sql.base import columns
from service.stores.sql.fast_read import PreparedQuery, Projection, json_row
from service.stores.sql.listing import CustomFilter, SqlListing
from service.stores.sql.rows import Columns, quoted_words, words_beginning_with

COLUMNS = columns(*(getattr(User, name) for name in UserRead.model_fields))
SHOWN: Projection = {each.name: each for each in COLUMNS}
_SHOWN_OF_EMAILS: Projection = {"id": User.id, "email": User.email}
_FILTERED: Columns = {
    "name": func.lower(User.name),
    "city": func.lower(User.city),
    "age": User.age,
    "status": User.status,
    "is_active": User.is_active,
    "created_at": User.created_at,
}
_WORDS = CustomFilter(lambda typed: words_beginning_with(User.search, typed), Text, quoted_words)


def is_deleted(deleted: bool) -> ColumnElement[bool]:
    """Users who were deleted, or those who were not."""
    return User.deleted_at.is_not(None) if deleted else User.deleted_at.is_(None)


def visible_users(
    everybody: bool, caller_id: UUID | None = None, *, deleted: bool = False
) -> ColumnElement[bool]:
    """Return the condition of the users that a caller may see: all of them, or the caller alone.

    Lists and single reads share it. Without ``caller_id`` it is a parameter of that name.
    """
    seen = is_deleted(deleted)
    return seen if everybody else seen & (User.id == bindparam("caller_id", caller_id))


NEW_USER = insert(cast("Table", User.__table__)).returning(
    User.version, json_row(SHOWN).label("json")
)


@cache
def one_user(*, everybody: bool) -> PreparedQuery:
    """The version and the JSON of ``user_id``."""
    shown = select(User.version, json_row(SHOWN))
    return PreparedQuery(shown.where(visible_users(everybody), User.id == bindparam("user_id")))


@cache
def users(*, everybody: bool, deleted: bool) -> SqlListing:
    seen = visible_users(everybody, deleted=deleted)
    return SqlListing(User, SHOWN, where=seen, filters=_FILTERED, special={"q": _WORDS})


@cache
def emails() -> SqlListing:
    """For those who see everybody."""
    return SqlListing(User, _SHOWN_OF_EMAILS, where=is_deleted(False), filters=_FILTERED)
