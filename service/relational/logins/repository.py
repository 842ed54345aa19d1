"""Logins in PostgreSQL: functions on a session, because one request opens several of them."""

import hashlib
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Unauthenticated
from service.auth.credentials import Credential
from service.auth.roles import expanded, scopes_of
from service.core.errors import BadRequest, field_error
from service.relational.logins.tables import Login
from service.relational.users.queries import may_act
from service.relational.users.stored_emails import same_email
from service.relational.users.tables import User

MAX_CLEARED = 10


class InvalidGrant(Unauthenticated):
    code, title = "invalid_grant", "Credentials are not valid"
    detail = "Check email, username and password, or log in again for a new refresh token."
    extra_fields = {"error": "invalid_grant"}


class UserGone(InvalidGrant):
    constraints = "fk_logins_user_id"


class InvalidClient(Unauthenticated):
    code, title = "invalid_client", "API key is not valid"
    detail = "Send pk_<id> as client_id and the rest as client_secret, or both by HTTP Basic."
    extra_fields = {"error": "invalid_client"}

    def __init__(self) -> None:
        super().__init__(challenge='Basic realm="polystore"')


class IncompleteGrant(BadRequest):
    code, title = "invalid_request", "Field of this grant is missing"
    extra_fields = {"error": "invalid_request"}

    def __init__(self, *names: str) -> None:
        errors = [
            field_error(pointer=f"/{name}", code="missing", detail="Send this field.")
            for name in names
        ]
        super().__init__(f"Send {' and '.join(names)}.", errors=errors)


class UnsupportedGrant(BadRequest):
    code, title, pointer = "unsupported_grant_type", "Unknown grant type", "/grant_type"
    detail = "Use password, refresh_token or client_credentials."
    extra_fields = {"error": "unsupported_grant_type"}


class InvalidScope(BadRequest):
    code, title, pointer = "invalid_scope", "Scopes exceed your permissions", "/scope"
    detail = "Omit scope to get all of yours; GET /v1/me shows them."
    extra_fields = {"error": "invalid_scope"}


class PasswordUser(NamedTuple):
    """A user who logs in with a password."""

    id: UUID
    role: str
    password_hash: str


class Rotated(NamedTuple):
    """The user and the scopes of a rotated login."""

    user_id: UUID
    scopes: frozenset[str]


def hash_token(secret: str) -> bytes:
    """Return the SHA-256: a fast hash is enough for a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


async def find_user(session: AsyncSession, name: str) -> PasswordUser | None:
    """Return the user with this email or username, if they may log in with a password."""
    named = func.lower(User.username) == func.lower(name)
    if "@" in name:  # no username holds one
        named = same_email(User.email, name)
    statement = select(User.id, User.role, User.password_hash).where(
        named, may_act(), User.password_hash.is_not(None)
    )
    return _as_user((await session.execute(statement)).one_or_none())


async def find_user_by_id(session: AsyncSession, user_id: UUID) -> PasswordUser | None:
    """Return the user with this id, if they may log in with a password."""
    statement = select(User.id, User.role, User.password_hash).where(
        User.id == user_id, may_act(), User.password_hash.is_not(None)
    )
    return _as_user((await session.execute(statement)).one_or_none())


async def open_login(
    session: AsyncSession,
    user: PasswordUser,
    token_hash: bytes,
    scopes: frozenset[str],
    lifetime: timedelta,
) -> UUID | None:
    """Return the id of a new login; None if the password has changed since its check."""
    unchanged = select(User.id).where(User.id == user.id, User.password_hash == user.password_hash)
    if await session.scalar(unchanged.with_for_update(read=True)) is None:
        return None
    expired = select(Login.id).where(Login.expires_at <= func.now()).order_by(Login.expires_at)
    expired = expired.limit(MAX_CLEARED).with_for_update(skip_locked=True)
    await session.execute(delete(Login).where(Login.id.in_(expired)))
    values = {
        "user_id": user.id,
        "token_hash": token_hash,
        "scopes": sorted(scopes),
        "expires_at": func.now() + lifetime,
    }
    return await session.scalar(insert(Login).values(**values).returning(Login.id))


async def rotate(session: AsyncSession, login_id: UUID, old: bytes, new: bytes) -> Rotated | None:
    """Replace the valid refresh token, if ``old`` is its hash; else return None."""
    statement = (
        update(Login)
        .where(Login.id == login_id, Login.token_hash == old, *_is_valid())
        .values(token_hash=new, version=Login.version + 1)
        .returning(Login.user_id, Login.scopes)
    )
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Rotated(row.user_id, frozenset(row.scopes))


async def end_reused(session: AsyncSession, login_id: UUID, token: bytes) -> UUID | None:
    """End the login if this is not its current token; return its user.

    The id is known only from a token of this login, so the token was used before, and one of its
    two users is a thief.
    """
    return await session.scalar(
        update(Login)
        .where(Login.id == login_id, Login.token_hash != token, Login.revoked_at.is_(None))
        .values(revoked_at=func.now(), version=Login.version + 1)
        .returning(Login.user_id)
    )


async def end_login(session: AsyncSession, login_id: UUID, token: bytes | None) -> UUID | None:
    """End the login, if ``token`` is None or its current one; return its user."""
    statement = update(Login).where(Login.id == login_id, Login.revoked_at.is_(None))
    if token is not None:
        statement = statement.where(Login.token_hash == token)
    ended = statement.values(revoked_at=func.now(), version=Login.version + 1)
    return await session.scalar(ended.returning(Login.user_id))


async def change_password(
    session: AsyncSession, user: PasswordUser, password_hash: str, *, ends_logins: bool
) -> bool:
    """Replace the password hash that was checked; return False if it has changed meanwhile."""
    values: dict[str, Any] = {"password_hash": password_hash}
    if ends_logins:
        # Not now(): a login that waited for the row is younger than this transaction.
        values["password_changed_at"] = func.clock_timestamp()
        values["version"] = User.version + 1
    statement = (
        update(User)
        .where(User.id == user.id, User.password_hash == user.password_hash)
        .values(**values)
        .returning(User.id)
    )
    return await session.scalar(statement) is not None


async def find_credential(session: AsyncSession, login_id: UUID) -> Credential | None:
    """Return the credential of a valid login, else None."""
    statement = (
        select(User.id, User.role, Login.scopes, Login.expires_at)
        .join(User, User.id == Login.user_id)
        .where(Login.id == login_id, *_is_valid())
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    scopes = expanded(row.scopes) & scopes_of(row.role)
    return Credential(row.id, scopes, row.expires_at)


def _is_valid() -> tuple[ColumnElement[bool], ...]:
    never_changed = User.password_changed_at.is_(None)
    return (
        Login.revoked_at.is_(None),
        Login.expires_at > func.now(),
        User.id == Login.user_id,
        may_act(),
        or_(never_changed, Login.created_at >= User.password_changed_at),
    )


def _as_user(row: Row[UUID, str, str | None] | None) -> PasswordUser | None:
    if row is None or row.password_hash is None:
        return None
    return PasswordUser(row.id, row.role, row.password_hash)
