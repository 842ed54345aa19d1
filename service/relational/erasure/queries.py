"""Queries of erasure: what there is of a user."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, column, exists, func, or_, select, table
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from service.relational.accounts.tables import Account, Entry, Transfer
from service.relational.api_keys.tables import ApiKey
from service.relational.audit.tables import AuditEvent
from service.relational.catalog.tables import StockMovement
from service.relational.erasure.schemas import Kept, Removed
from service.relational.logins.tables import Login
from service.relational.orders.tables import Order
from service.relational.posts.tables import Comment, Post
from service.relational.projects.tables import Project, ProjectInvitation, ProjectMember
from service.relational.users.tables import User
from service.stores.sql.base import IdTable


async def count(session: AsyncSession, user_id: UUID) -> tuple[Removed, Kept]:
    """Return how many rows the erasure of a locked user will remove, and how many it keeps."""
    own_posts = select(Post.id).where(Post.author_id == user_id)
    email = select(func.email_key(User.email)).where(User.id == user_id).scalar_subquery()
    invited = ProjectInvitation.invited_by == user_id
    gone = Project.deleted_at.is_not(None) & is_last_owner(user_id) & ~_is_used()
    used = exists().where(Entry.account_id == Account.id)
    owned = Account.owner_id == user_id
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
        "audit_events": _number(AuditEvent, is_about(user_id)),
    }
    return Removed(**await _numbers(session, removed)), Kept(**await _numbers(session, kept))


async def _numbers(session: AsyncSession, counted: dict[str, Any]) -> dict[str, int]:
    columns = [number.label(name) for name, number in counted.items()]
    return dict((await session.execute(select(*columns))).one()._mapping)


def _number(table: type[IdTable], *conditions: ColumnElement[bool]) -> Any:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()


def is_last_owner(user_id: UUID) -> ColumnElement[bool]:
    """Return the condition of projects whose only owner is the user."""
    own, other = aliased(ProjectMember), aliased(ProjectMember)
    owned = select(own.project_id).where(own.user_id == user_id, own.role == "owner")
    others = exists().where(
        other.project_id == Project.id, other.role == "owner", other.user_id != user_id
    )
    return Project.id.in_(owned) & ~others


def _is_used() -> ColumnElement[bool]:
    """Return the condition of projects that have experiments or registered models."""
    owned = (table(name, column("project_id")) for name in ("experiments", "registered_models"))
    return or_(*(exists().where(one.c.project_id == Project.id) for one in owned))


def is_about(user_id: UUID) -> ColumnElement[bool]:
    """Return the condition of events in which the user acted or was acted on."""
    return or_(AuditEvent.user_id == user_id, AuditEvent.subject_id == user_id)
