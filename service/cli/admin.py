"""The first administrator, whom nobody could make over HTTP.

On engines of our own one is made unasked, with a key for the demo, and both are kept in the data
folder, for its owner alone; elsewhere an operator makes one with ``polystore admin``.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.auth.access_tokens import Claims, Keyring
from service.auth.passwords import hash_password
from service.auth.roles import scopes_of
from service.cli.stores import Tell, with_stores
from service.core.errors import OutcomeUnknown, QueryTooSlow, ServiceError, Unavailable
from service.relational.api_keys.tables import ApiKey
from service.relational.api_keys.verification import PREFIX, hash_secret
from service.relational.audit.tables import AuditEvent
from service.relational.logins import repository as logins
from service.relational.users.tables import User
from service.settings import Settings
from service.stores.embedded import EmbeddedError, StoreUrls
from service.stores.embedded.data_dir import write_private
from service.stores.sql.engine import open_sql

T = TypeVar("T")
FILE = "credentials.json"
USERNAME, EMAIL, DEMO = "admin", "admin@polystore.local", "demo"
NOT_REVOKED = ApiKey.revoked_at.is_(None)
DEMO_SCOPES = (
    "users:admin", "posts:admin", "comments:admin", "tags:admin", "items:admin", "item_types:admin",
    "predictions:admin", "metrics:read",
)  # fmt: skip
TOKEN_LIVES = timedelta(hours=12)
# Nobody waits for a request here; on a machine that just started, a disk may take its time.
PATIENCE = {
    f"sql_{what}_seconds": 20.0 for what in ("connect", "lock", "statement", "command", "deadline")
}


class NoCredentials(EmbeddedError):
    """There is no embedded administrator here."""


class NotThisUser(EmbeddedError):
    """Somebody else has the username or the email."""


class NotDone(EmbeddedError):
    """PostgreSQL is not there or not as it should be, or did not say whether it was done."""


class Credentials(NamedTuple):
    """What a first start made."""

    username: str
    email: str
    password: str
    demo_key: str


def first_start(urls: StoreUrls, settings: Settings, tell: Tell) -> None:
    """Makes the administrator and the demo key of a data folder, unless they are kept there."""
    path = settings.data_dir / FILE
    if path.exists():
        return
    made = _run(_make_both, urls, settings)
    # After the rows: a start that is killed in between begins again.
    write_private(path, json.dumps(made._asdict(), indent=2))
    tell(f"administrator  {made.username}, password {made.password}")
    tell(f"demo key       {made.demo_key}")
    tell(f"               kept in {path}; shown this once")


def kept_credentials(settings: Settings) -> Credentials:
    """What the first start on this data folder made.

    Raises:
        NoCredentials: nothing was started here.
    """
    path = settings.data_dir / FILE
    try:
        return Credentials(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise NoCredentials(
            f"{path} is not there. `make serve` makes it on engines of its own; with servers of "
            "yours, log in: POST /v1/auth/token."
        ) from None
    except (OSError, TypeError, ValueError) as error:
        raise NoCredentials(
            f"{path} cannot be read ({type(error).__name__}). Remove it: the next `make serve` "
            "makes a new password."
        ) from error


def make_administrator(urls: StoreUrls, settings: Settings, email: str, username: str) -> str:
    """Makes a user an administrator, or makes the user; their new password.

    Raises:
        NotThisUser: the username and the email are not of one user.
        NotDone: PostgreSQL did not answer.
    """

    async def work(session: AsyncSession) -> str:
        user_id, password = await _put_administrator(session, username, email)
        same = select(User.id).where(User.id == user_id, func.lower(User.email) == email.lower())
        if await session.scalar(same) is None:
            raise NotThisUser(f"{username} has another email. Choose another --username.")
        return password

    try:
        return _run(work, urls, settings)
    except ServiceError as error:
        raise NotThisUser(f"{username} <{email}> cannot be made: {error.message}") from error


def administrator_token(urls: StoreUrls, settings: Settings) -> str:
    """An access token of the embedded administrator, good for 12 hours."""
    kept = kept_credentials(settings)

    async def work(session: AsyncSession) -> str:
        user = await logins.find_user(session, kept.username)
        scopes = scopes_of("admin")
        login_id = user and await logins.open_login(session, user, b"", scopes, TOKEN_LIVES)
        if user is None or login_id is None:
            raise NoCredentials(
                f"The administrator of {settings.data_dir / FILE} is no user any more. Remove "
                "that file and start again: it makes a new one."
            )
        await _note(session, "login", user.id, user.id)
        return Keyring.of(settings).sign(Claims(user.id, scopes, login_id), TOKEN_LIVES)

    return _run(work, urls, settings)


def _run(work: Callable[[AsyncSession], Awaitable[T]], urls: StoreUrls, settings: Settings) -> T:
    async def run() -> T:
        patient = with_stores(settings, urls).model_copy(update=PATIENCE)
        async with open_sql(patient) as sql:
            return await sql.run(work, writes=True)

    try:
        return asyncio.run(run())
    except OutcomeUnknown as error:
        raise NotDone(f"PostgreSQL did not answer. {error.title}. Run this again.") from error
    except (Unavailable, QueryTooSlow) as error:
        raise NotDone(f"PostgreSQL refused, and nothing was done. {error.message}") from error


async def _make_both(session: AsyncSession) -> Credentials:
    user_id, password = await _put_administrator(session, USERNAME, EMAIL)
    key_id, secret = uuid7(), secrets.token_urlsafe(32)
    # Of a first start before, whose file was lost or taken away.
    lost = update(ApiKey).where(ApiKey.user_id == user_id, ApiKey.name == DEMO, NOT_REVOKED)
    await session.execute(lost.values(revoked_at=func.now(), version=ApiKey.version + 1))
    await session.execute(
        insert(ApiKey).values(
            id=key_id,
            user_id=user_id,
            name=DEMO,
            secret_hash=hash_secret(secret),
            scopes=list(DEMO_SCOPES),
        )
    )
    await _note(session, "key_created", user_id, key_id)
    return Credentials(USERNAME, EMAIL, password, f"{PREFIX}{key_id.hex}_{secret}")


async def _put_administrator(session: AsyncSession, username: str, email: str) -> tuple[UUID, str]:
    password = secrets.token_urlsafe(18)
    values = {
        "password_hash": await hash_password(SecretStr(password)),
        "role": "admin",
        "status": "active",
        "is_active": True,
        "deleted_at": None,
    }
    # Whoever lost the password makes a new one here: every login by the old one ends.
    again = {**values, "password_changed_at": func.clock_timestamp(), "version": User.version + 1}
    statement = (
        insert_or(User)
        .values(username=username, email=email, **values)
        .on_conflict_do_update(index_elements=[func.lower(User.username)], set_=again)
        .returning(User.id)
    )
    user_id: UUID = (await session.execute(statement)).scalar_one()
    await _note(session, "role_changed", None, user_id)
    return user_id, password


async def _note(session: AsyncSession, act: str, by: UUID | None, of: UUID) -> None:
    await session.execute(
        insert(AuditEvent).values(
            act=act, user_id=by, subject_id=of, request_id="", details={"by": "polystore"}
        )
    )
