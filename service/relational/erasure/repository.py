"""Erasure of users in PostgreSQL: what is in the way, and the removal itself."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    String,
    Uuid,
    cast,
    column,
    delete,
    func,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from service.core.errors import Conflict, FieldError, PreconditionFailed, Refused, field_error
from service.relational.accounts.tables import Account, Transfer
from service.relational.api_keys.tables import ApiKey
from service.relational.audit.tables import AuditEvent
from service.relational.catalog.tables import StockMovement
from service.relational.erasure.queries import is_about, is_last_owner
from service.relational.logins.tables import Login
from service.relational.orders.tables import Order
from service.relational.posts.tables import Comment, Post
from service.relational.projects.tables import Project
from service.relational.users.repository import RoleTooStrong, UserNotFound
from service.relational.users.tables import TOMBSTONE_ID, User
from service.stores.sql.base import IdTable
from service.stores.sql.bulk import any_of
from service.stores.sql.idempotency import IdempotencyKey
from service.web.conditional import Expected

# What can be many rows is removed or changed before the user, so many at a time that no statement
# takes long.
SLICE = 2_000
# The limit of a statement, below that of the driver (5 s).
STATEMENT_SECONDS = 4.5
# Well below that, so that a wait for a lock is reported as such: the outcome is then known.
LOCK_SECONDS = 3.0
LONGEST_REQUEST = timedelta(minutes=1)  # no request on PostgreSQL takes as long
FORGOTTEN_UNTIL = "polystore.responses_forgotten_until"  # as users_redact reads it
MAX_SHOWN = 20


class OwnsSomething(Conflict):
    code, title = "owns_something", "User is the last owner of something"
    detail = "First do what errors names for each project and each account."


class PasswordMissing(Refused):
    code, title, pointer = "password_missing", "Password is missing", "/password"
    detail = "Send your own password, or log in as an administrator."


class TombstoneStays(Conflict):
    code, title = "tombstone", "User owns what is kept of erased users"
    constraints = "ck_users_tombstone"


async def begin(session: AsyncSession) -> None:
    """Limit each statement of the transaction, and each wait for a lock."""
    limits = {"statement_timeout": STATEMENT_SECONDS, "lock_timeout": LOCK_SECONDS}
    settings = (func.set_config(name, f"{limit}s", true()) for name, limit in limits.items())
    await session.execute(select(*settings))


async def end_credentials(
    session: AsyncSession, user_id: UUID, expected: Expected, *, by_key: bool
) -> tuple[int, Sequence[UUID]]:
    """End the logins and keys of a user who can be erased; raises as ``lock`` does.

    Returns how many logins, and the ids of the keys.

    Else the erasure could wait without end: requests of the user lock their row for reading one
    after the other, and no lock for writing fits between.
    """
    await lock(session, user_id, expected, by_key=by_key, alone=False)
    login = (Login.user_id == user_id) & Login.revoked_at.is_(None)
    end = update(Login).where(login).values(revoked_at=func.now())
    logins = await session.execute(end.returning(Login.id))
    key = (ApiKey.user_id == user_id) & ApiKey.revoked_at.is_(None)
    revoked = {"revoked_at": func.now(), "version": ApiKey.version + 1}
    keys = await session.scalars(update(ApiKey).where(key).values(revoked).returning(ApiKey.id))
    return len(logins.all()), keys.all()


async def lock(
    session: AsyncSession,
    user_id: UUID,
    expected: Expected,
    *,
    by_key: bool,
    alone: bool = True,
) -> None:
    """Lock a user, deleted or not; nobody writes in their name until the transaction ends.

    Without ``alone`` the user can be locked by others as well.

    Raises:
        UserNotFound: there is no such user.
        RoleTooStrong: an API key, which may have been stolen, would erase an administrator.
        PreconditionFailed: their version is none of ``expected``.
        OwnsSomething: with an error for each project and account that is in the way.
    """
    user = select(User.version, User.role).where(User.id == user_id, User.id != TOMBSTONE_ID)
    locked = await session.execute(user.with_for_update(read=not alone, key_share=not alone))
    row = locked.one_or_none()
    if row is None:
        raise UserNotFound
    if by_key and row.role == "admin":
        raise RoleTooStrong
    if expected is not None and row.version not in expected:
        raise PreconditionFailed
    await _require_nothing_owned(session, user_id)


async def _require_nothing_owned(session: AsyncSession, user_id: UUID) -> None:
    projects = select(Project.id).where(is_last_owner(user_id), Project.deleted_at.is_(None))
    accounts = select(Account.id).where(Account.owner_id == user_id, Account.balance != 0)
    errors = [
        *await _errors(
            session, projects, "projects", "Make another member its owner, or delete it."
        ),
        *await _errors(session, accounts, "accounts", "Transfer its balance: it must be 0."),
    ]
    if errors:
        raise OwnsSomething(errors=errors)


async def _errors(
    session: AsyncSession, ids: Select[UUID], kind: str, detail: str
) -> Sequence[FieldError]:
    found = await session.scalars(ids.limit(MAX_SHOWN))
    return [field_error(f"/{kind}/{key}", OwnsSomething.code, detail) for key in found]


async def remove(session: AsyncSession, user_id: UUID) -> None:
    """Remove a locked user: what can be many rows first, then their row with all the rest.

    Raises:
        AccountNotEmpty, LastOwner: by constraints, if an account or a project came meanwhile.
    """
    own_posts = select(Post.id).where(Post.author_id == user_id)
    anonymous = {"user_id": TOMBSTONE_ID, "version": Order.version + 1}
    for table, condition, change in (
        (Comment, Comment.author_id == user_id, delete(Comment)),
        (Comment, Comment.post_id.in_(own_posts), delete(Comment)),
        (Post, Post.author_id == user_id, delete(Post)),
        (Order, Order.user_id == user_id, update(Order).values(**anonymous)),
        (
            Transfer,
            Transfer.created_by == user_id,
            update(Transfer).values(created_by=TOMBSTONE_ID),
        ),
        (
            StockMovement,
            StockMovement.user_id == user_id,
            update(StockMovement).values(user_id=TOMBSTONE_ID),
        ),
    ):
        async for ids in _slices(session, table, condition):
            await session.execute(change.where(any_of(table.id, ids)))
    async for ids in _slices(session, AuditEvent, is_about(user_id)):
        events = literal(ids, ARRAY(Uuid))
        await _call(session, user_id, func.users_redact_events, events)
    await _forget_responses(session, user_id)
    await session.execute(delete(User).where(User.id == user_id))


async def _slices(
    session: AsyncSession, table: type[IdTable], condition: ColumnElement[bool]
) -> AsyncIterator[Sequence[UUID]]:
    """Yield the ids of rows, SLICE at a time.

    Not by LIMIT: each slice would read again what the slices before it removed.
    """
    ids = (await session.scalars(select(table.id).where(condition))).all()
    for start in range(0, len(ids), SLICE):
        yield ids[start : start + SLICE]


async def _forget_responses(session: AsyncSession, user_id: UUID) -> None:
    """Delete the stored responses that name the user; each statement reads SLICE of them.

    No index finds them. The trigger reads only those from the last minute on, because a request
    that began before has ended: what it stored was read here.
    """
    time = IdempotencyKey.created_at
    nth = func.row_number().over(order_by=time).label("nth")
    numbered = select(time, nth).subquery()
    lasts = select(numbered.c.created_at).where(numbered.c.nth % SLICE == 0)
    until = [*await session.scalars(lasts.order_by(numbered.c.nth)), None]
    for bounds in pairwise([None, *until]):
        times = [literal(bound, time.type) for bound in bounds]
        await _call(session, user_id, func.users_forget_responses, *times)
    read = cast(func.now() - LONGEST_REQUEST, String)
    await session.execute(select(func.set_config(FORGOTTEN_UNTIL, read, true())))


async def _call(session: AsyncSession, user_id: UUID, function: Any, *arguments: Any) -> None:
    """Call a function of the migration ``erase_users`` with the user's row."""
    row: ColumnElement[Any] = column(User.__tablename__)
    await session.execute(select(function(row, *arguments)).where(User.id == user_id))
