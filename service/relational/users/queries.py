"""Queries of users: who may see whom, and the statements of the hot reads, built once."""

from functools import cache
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, bindparam, func, insert, select

from service.relational.users.schemas import EmailQuery, UserEmail, UserQuery, UserRead
from service.relational.users.tables import NO_AGE, NO_TEXT, TOMBSTONE_ID, User
from service.stores.sql.fast_read import PreparedQuery, json_row
from service.stores.sql.lists.filters import Columns, any_within, has_parts
from service.stores.sql.lists.json_listing import JsonListing
from service.stores.sql.lists.listing import projection

SHOWN = projection(User, UserRead)
_FILTERS: Columns = {
    "name": func.lower(User.name),
    "city": func.lower(User.city),
    "age": User.age,
    "status": User.status,
    "role": User.role,
    "username": func.lower(User.username),
    "email": func.email_key(User.email),
    "is_active": User.is_active,
    "created_at": User.created_at,
}
_SORTS: Columns = {
    "name": func.coalesce(User.name, NO_TEXT),
    "city": func.coalesce(User.city, NO_TEXT),
    "age": func.coalesce(User.age, NO_AGE),
    "email": func.email_key(User.email),
}
_PARTS = has_parts(User.search, User.username, User.name, User.city, User.email)
_EMAIL_IN = any_within(func.email_key(User.email))
_TABLE = cast("Table", User.__table__)
NEW_USER = insert(_TABLE).returning(User.version, json_row(SHOWN).label("json"))


def is_deleted(deleted: bool) -> ColumnElement[bool]:
    """Return the condition of deleted users without the tombstone, or of the others."""
    if deleted:
        return User.deleted_at.is_not(None) & (User.id != TOMBSTONE_ID)
    return User.deleted_at.is_(None)


def may_act() -> ColumnElement[bool]:
    """Return the condition of users who may log in, and whose keys are valid."""
    return is_deleted(False) & User.is_active & (User.status == "active")


def visible_users(
    everybody: bool, caller_id: UUID | None = None, *, deleted: bool = False
) -> ColumnElement[bool]:
    """Return the condition of the users that a caller may see: all of them, or the caller alone.

    Lists and single reads share it. Without ``caller_id`` it is a parameter of that name.
    """
    present = is_deleted(deleted)
    return present if everybody else present & (User.id == bindparam("caller_id", caller_id))


@cache
def one_user(*, everybody: bool) -> PreparedQuery:
    """Return the query of the version and the JSON of ``user_id``."""
    shown = select(User.version, json_row(SHOWN))
    return PreparedQuery(shown.where(visible_users(everybody), User.id == bindparam("user_id")))


@cache
def users(*, everybody: bool, deleted: bool) -> JsonListing:
    where = visible_users(everybody, deleted=deleted)
    return JsonListing(
        User,
        UserQuery,
        SHOWN,
        where=where,
        sorts=_SORTS,
        filters=_FILTERS,
        custom={"q": _PARTS, "email__in": _EMAIL_IN},
        elsewhere=["deleted"],
    )


# The list of email addresses, for callers who see everybody.
EMAILS = JsonListing(
    User,
    EmailQuery,
    projection(User, UserEmail),
    where=is_deleted(False),
    sorts=_SORTS,
    filters=_FILTERS,
)
