"""``polystore token`` and ``polystore admin``: the first administrator.

HTTP cannot create it, because only an administrator may make others. On embedded engines,
``polystore serve`` creates one with a key for the demo. It stores both in the data folder, readable
by its owner alone. On other servers an operator runs ``polystore admin``.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, NamedTuple, TypeVar

import typer
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.access_tokens import Claims, Keyring
from service.auth.roles import scopes_of
from service.cli.output import CommandFailed, print_progress, report_errors
from service.cli.stores import open_stores, with_urls
from service.core.errors import OutcomeUnknown, QueryTooSlow, ServiceError, Unavailable
from service.relational.api_keys.repository import replace_key
from service.relational.audit.repository import note_command
from service.relational.logins import repository as logins
from service.relational.users.administrators import upsert_administrator
from service.settings import Settings
from service.stores.embedded import StoreUrls
from service.stores.embedded.data_dir import write_private
from service.stores.sql.engine import open_sql

T = TypeVar("T")
CREDENTIALS_FILE = "credentials.json"
USERNAME, EMAIL, DEMO = "admin", "admin@polystore.example", "demo"
DEMO_SCOPES = (
    "users:admin", "posts:admin", "comments:admin", "tags:admin", "items:admin", "item_types:admin",
    "predictions:admin", "metrics:read", "catalog:admin", "orders:admin", "experiments:admin",
    "models:admin",
)  # fmt: skip
PASSWORD_BYTES = 18
TOKEN_LIFETIME = timedelta(hours=12)
# No client waits here, and the disk of a machine that has just started may be slow.
TIMEOUTS = {
    f"sql_{name}_seconds": 20.0 for name in ("connect", "lock", "statement", "command", "deadline")
}


class CredentialsMissing(CommandFailed):
    """The data folder has no usable credentials of an administrator."""


class UserMismatch(CommandFailed):
    """The username and the email belong to different users."""


class AdministrationFailed(CommandFailed):
    """PostgreSQL is not reachable, its schema is behind, or the outcome is unknown."""


class Credentials(NamedTuple):
    """The administrator and the demo key of a data folder."""

    username: str
    email: str
    password: str
    demo_key: str


def token() -> None:
    """Print only an access token of the embedded administrator, valid for 12 hours.

    Example: `export POLYSTORE_TOKEN=$(polystore token)`
    """
    with report_errors():
        settings = Settings()
        load_credentials(settings)
        with open_stores(settings) as urls:
            typer.echo(issue_admin_token(urls, settings))


def admin(
    email: Annotated[str, typer.Argument(help="The administrator's email.")],
    username: Annotated[str, typer.Option(help="The administrator's username.")] = USERNAME,
) -> None:
    """Create an administrator, or reset the password of one; print the new password.

    Example: `DATABASE_URL=… polystore admin ada@example.com --username ada`
    """
    with report_errors(), open_stores(Settings()) as urls:
        typer.echo(create_administrator(urls, Settings(), email, username))


def ensure_credentials(urls: StoreUrls, settings: Settings) -> None:
    """Create the administrator and the demo key of a data folder, unless it has them."""
    path = settings.data_dir / CREDENTIALS_FILE
    if path.exists():
        return
    credentials = _run(_create_credentials, urls, settings)
    # After the rows, so that a killed start creates them again.
    write_private(path, json.dumps(credentials._asdict(), indent=2))
    print_progress(f"administrator  {credentials.username}, password {credentials.password}")
    print_progress(f"demo key       {credentials.demo_key}")
    print_progress(f"               stored in {path}; not printed again")


def load_credentials(settings: Settings) -> Credentials:
    """Return the credentials stored in the data folder.

    Raises:
        CredentialsMissing: they do not exist or cannot be read.
    """
    path = settings.data_dir / CREDENTIALS_FILE
    try:
        return Credentials(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise CredentialsMissing(
            f"{path} does not exist. `make serve` creates it with embedded engines. With your own "
            "servers, log in: POST /v1/auth/token."
        ) from None
    except (OSError, TypeError, ValueError) as error:
        raise CredentialsMissing(
            f"{path} cannot be read ({type(error).__name__}). Remove it: the next `make serve` "
            "creates a new password."
        ) from error


def create_administrator(urls: StoreUrls, settings: Settings, email: str, username: str) -> str:
    """Create an administrator, or make the user one; return the new password.

    Raises:
        UserMismatch: the username and the email belong to different users.
        AdministrationFailed: PostgreSQL did not respond.
    """

    async def work(session: AsyncSession) -> str:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        user = await upsert_administrator(session, username, email, SecretStr(password))
        if not user.has_email:
            raise UserMismatch(f"User {username} has another email. Choose another --username.")
        return password

    try:
        return _run(work, urls, settings)
    except ServiceError as error:
        raise UserMismatch(f"{username} <{email}> cannot be created: {error.message}") from error


def issue_admin_token(urls: StoreUrls, settings: Settings) -> str:
    """Return an access token of the embedded administrator, valid for 12 hours.

    Raises:
        CredentialsMissing: the data folder has none, or its user was deleted.
    """
    credentials = load_credentials(settings)

    async def work(session: AsyncSession) -> str:
        user = await logins.find_user(session, credentials.username)
        scopes = scopes_of("admin")
        login_id = user and await logins.open_login(session, user, b"", scopes, TOKEN_LIFETIME)
        if user is None or login_id is None:
            raise CredentialsMissing(
                f"The administrator of {settings.data_dir / CREDENTIALS_FILE} was deleted. "
                "Remove that file and restart the service to create another."
            )
        await note_command(session, "login", subject_id=user.id, user_id=user.id)
        return Keyring.of(settings).sign(Claims(user.id, scopes, login_id), TOKEN_LIFETIME)

    return _run(work, urls, settings)


def _run(work: Callable[[AsyncSession], Awaitable[T]], urls: StoreUrls, settings: Settings) -> T:
    async def run() -> T:
        async with open_sql(with_urls(settings, urls).model_copy(update=TIMEOUTS)) as sql:
            return await sql.run(work, writes=True)

    try:
        return asyncio.run(run())
    except OutcomeUnknown as error:
        raise AdministrationFailed(
            f"PostgreSQL did not respond. {error.title}. Run this again."
        ) from error
    except (Unavailable, QueryTooSlow) as error:
        raise AdministrationFailed(
            f"PostgreSQL returned an error; nothing was changed. {error.message}"
        ) from error


async def _create_credentials(session: AsyncSession) -> Credentials:
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user = await upsert_administrator(session, USERNAME, EMAIL, SecretStr(password))
    # This revokes the keys of earlier credentials files that were lost or removed.
    key = await replace_key(session, user.id, DEMO, DEMO_SCOPES)
    return Credentials(USERNAME, user.email, password, key)
