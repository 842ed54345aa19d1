"""Erasure of users in PostgreSQL: what is in the way, what there is, and the removal itself."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    delete,
    exists,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.core.errors import Conflict, FieldError, PreconditionFailed, Refused, field_error
from service.relational.accounts.tables import Account, Entry, Transfer
from service.relational.api_keys.tables import ApiKey
from service.relational.audit.tables import AuditEvent
from service.relational.catalog.tables import StockMovement
from service.relational.erasure.schemas import Kept, Removed
from service.relational.logins.tables import Login
from service.relational.orders.tables import Order
from service.relational.posts.tables import Comment, Post
from service.relational.projects.tables import Project, ProjectInvitation, ProjectMember
from service.relational.users.repository import UserNotFound
from service.relational.users.tables import TOMBSTONE_ID, User
from service.stores.sql.base import IdTable
from service.stores.sql.bulk import any_of
from service.web.conditional import Expected

# Comments, posts, orders and transfers go before the user, so many at a time that no statement
# takes long.
SLICE = 2_000
# The limit of a statement, below that of the driver (5 s). The last one reads the responses of a
# day to requests with an Idempotency-Key: 0.3 s for 200,000 (measured).
STATEMENT_SECONDS = 4.5
MAX_SHOWN = 20


class OwnsSomething(Conflict):
    code, title = "owns_something", "User is the last owner of something"
    detail = "First do what errors names for each project and each account."


class PasswordMissing(Refused):
    code, title, pointer = "password_missing", "Password is missing", "/password"
    detail = "Send your own password, or credentials with users:admin."


class TombstoneStays(Conflict):
    code, title = "tombstone", "User owns what is kept of erased users"
    constraints = "ck_users_tombstone"


async def begin(session: AsyncSession) -> None:
    """Let each statement of the transaction, and each wait for a lock, take STATEMENT_SECONDS."""
    limit, local = f"{STATEMENT_SECONDS}s", true()
    names = ("statement_timeout", "lock_timeout")
    await session.execute(select(*(func.set_config(name, limit, local) for name in names)))


async def end_credentials(session: AsyncSession, user_id: UUID, expected: Expected) -> None:
    """End the logins and keys of a user who can be erased; raises as ``lock`` does.

    Else the erasure could wait without end: requests of the user lock their row for reading one
    after the other, and no lock for writing fits between.
    """
    await lock(session, user_id, expected, alone=False)
    for table in (Login, ApiKey):
        valid = (table.user_id == user_id) & table.revoked_at.is_(None)
        await session.execute(update(table).where(valid).values(revoked_at=func.now()))


async def lock(
    session: AsyncSession, user_id: UUID, expected: Expected, *, alone: bool = True
) -> None:
    """Lock a user, deleted or not; nobody writes in their name until the transaction ends.

    Without ``alone`` the user can be locked by others as well.

    Raises:
        UserNotFound: there is no such user.
        PreconditionFailed: their version is none of ``expected``.
        OwnsSomething: with an error for each project and account that is in the way.
    """
    user = select(User.version).where(User.id == user_id, User.id != TOMBSTONE_ID)
    version = await session.scalar(user.with_for_update(read=not alone, key_share=not alone))
    if version is None:
        raise UserNotFound
    if expected is not None and version not in expected:
        raise PreconditionFailed
    await _require_nothing_owned(session, user_id)


async def _require_nothing_owned(session: AsyncSession, user_id: UUID) -> None:
    projects = select(Project.id).where(_is_last_owner(user_id), Project.deleted_at.is_(None))
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


async def count(session: AsyncSession, user_id: UUID) -> tuple[Removed, Kept]:
    """Return how many rows the erasure of a locked user will remove, and how many it keeps."""
    own_posts = select(Post.id).where(Post.author_id == user_id)
    email = select(func.email_key(User.email)).where(User.id == user_id).scalar_subquery()
    invited = ProjectInvitation.invited_by == user_id
    gone = Project.deleted_at.is_not(None) & _is_last_owner(user_id)
    used = exists().where(Entry.account_id == Account.id)
    owned = Account.owner_id == user_id
    acted = or_(AuditEvent.user_id == user_id, AuditEvent.subject_id == user_id)
    removed = {
        "posts": _number(Post, Post.author_id == user_id),
        "comments": _number(
            Comment, or_(Comment.author_id == user_id, Comment.post_id.in_(own_posts))
        ),
        "projects": _number(Project, gone),
        "memberships": _number(ProjectMember, ProjectMember.user_id == user_id),
        "invitations": _number(
            ProjectInvitation, or_(invited, func.email_key(ProjectInvitation.email) == email)
        ),
        "accounts": _number(Account, owned, ~used),
        "api_keys": _number(ApiKey, ApiKey.user_id == user_id),
        "logins": _number(Login, Login.user_id == user_id),
    }
    kept = {
        "orders": _number(Order, Order.user_id == user_id),
        "accounts": _number(Account, owned, used),
        "transfers": _number(Transfer, Transfer.created_by == user_id),
        "projects": _number(Project, Project.created_by == user_id, ~gone),
        "stock_movements": _number(StockMovement, StockMovement.user_id == user_id),
        "audit_events": _number(AuditEvent, acted),
    }
    return Removed(**await _numbers(session, removed)), Kept(**await _numbers(session, kept))


async def _numbers(session: AsyncSession, counted: dict[str, Any]) -> dict[str, int]:
    columns = [number.label(name) for name, number in counted.items()]
    return dict((await session.execute(select(*columns))).one()._mapping)


def _number(table: type[IdTable], *conditions: ColumnElement[bool]) -> Any:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()


def _is_last_owner(user_id: UUID) -> ColumnElement[bool]:
    """Return the condition of projects whose only owner is the user."""
    own, other = aliased(ProjectMember), aliased(ProjectMember)
    owned = select(own.project_id).where(own.user_id == user_id, own.role == "owner")
    others = exists().where(
        other.project_id == Project.id, other.role == "owner", other.user_id != user_id
    )
    return Project.id.in_(owned) & ~others


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
    ):
        # Not by LIMIT: each slice would read again what the slices before it removed.
        ids = (await session.scalars(select(table.id).where(condition))).all()
        for start in range(0, len(ids), SLICE):
            slice_of_ids = ids[start : start + SLICE]
            await session.execute(change.where(any_of(table.id, slice_of_ids)))
    await session.execute(delete(User).where(User.id == user_id))
