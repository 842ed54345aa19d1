"""The administrator and the demo key of a data folder, and administrators made by operators."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx2
import jwt
import pytest

from service.cli.admin import (
    AdministrationFailed,
    CredentialsMissing,
    UserMismatch,
    create_administrator,
    ensure_credentials,
    issue_admin_token,
    load_credentials,
)
from service.main import State
from service.relational.users.emails import normalize_email
from service.settings import Settings
from service.stores.embedded import StoreUrls
from tests.auth.factories import bearer, create_user
from tests.fixtures.cli import run_cli
from tests.fixtures.stores import new_database


@pytest.fixture
def urls(settings: Settings) -> StoreUrls:
    assert settings.database_url is not None
    assert settings.mongodb_url is not None
    return StoreUrls(
        settings.database_url.get_secret_value(), settings.mongodb_url.get_secret_value()
    )


@pytest.fixture
def new_folder(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a data folder without credentials."""
    return settings.model_copy(update={"data_dir": tmp_path})


def test_credentials_first_start_are_printed_once_in_private_file(
    urls: StoreUrls,
    new_folder: Settings,
    reset_stores: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ensure_credentials(urls, new_folder)
    credentials = load_credentials(new_folder)
    printed = capsys.readouterr().err
    assert credentials.password in printed
    assert credentials.demo_key in printed
    assert (new_folder.data_dir / "credentials.json").stat().st_mode & 0o777 == 0o600
    ensure_credentials(urls, new_folder)
    assert capsys.readouterr().err == ""
    assert load_credentials(new_folder) == credentials


def test_credentials_start_killed_before_file_are_created_again(
    urls: StoreUrls, new_folder: Settings, reset_stores: None
) -> None:
    ensure_credentials(urls, new_folder)
    lost = load_credentials(new_folder)
    (new_folder.data_dir / "credentials.json").unlink()
    ensure_credentials(urls, new_folder)
    assert load_credentials(new_folder).password != lost.password
    assert issue_admin_token(urls, new_folder)
    assert lost.demo_key != load_credentials(new_folder).demo_key


async def test_credentials_created_again_revoke_the_earlier_key(
    urls: StoreUrls, new_folder: Settings, anonymous_client: httpx2.AsyncClient
) -> None:
    keys = []
    for _ in range(2):
        (new_folder.data_dir / "credentials.json").unlink(missing_ok=True)
        await asyncio.to_thread(ensure_credentials, urls, new_folder)
        keys.append(load_credentials(new_folder).demo_key)
    responses = [await anonymous_client.get("/v1/me", headers=bearer(key)) for key in keys]
    assert [response.status_code for response in responses] == [401, 200]


async def test_credentials_of_a_new_folder_have_a_permitted_email(
    urls: StoreUrls, new_folder: Settings, anonymous_client: httpx2.AsyncClient
) -> None:
    await asyncio.to_thread(ensure_credentials, urls, new_folder)
    credentials = load_credentials(new_folder)
    assert normalize_email(credentials.email) == credentials.email
    assert await log_in(anonymous_client, credentials.email, credentials.password) == 200


async def test_credentials_of_an_older_folder_keep_their_email(
    urls: StoreUrls, new_folder: Settings, state: State, anonymous_client: httpx2.AsyncClient
) -> None:
    await create_user(state, "admin", username="admin", email="admin@polystore.local")
    await asyncio.to_thread(ensure_credentials, urls, new_folder)
    credentials = load_credentials(new_folder)
    assert credentials.email == "admin@polystore.local"
    assert await log_in(anonymous_client, credentials.email, credentials.password) == 200


async def log_in(client: httpx2.AsyncClient, username: str, password: str) -> int:
    form = {"grant_type": "password", "username": username, "password": password}
    return (await client.post("/v1/auth/token", data=form)).status_code


async def test_admin_command_checks_the_email_unless_the_user_has_it(
    urls: StoreUrls, new_folder: Settings, state: State, anonymous_client: httpx2.AsyncClient
) -> None:
    await create_user(state, username="ada", email="Ada..l@example.com")
    make = partial(create_administrator, urls, new_folder)
    password = await asyncio.to_thread(make, "ada..l@example.com", "ada")
    assert await log_in(anonymous_client, "ada..l@example.com", password) == 200
    for email, username in (("eve..l@example.com", "eve"), ("ada..l@example.com", "eve")):
        with pytest.raises(UserMismatch, match="two periods in a row; send one such as"):
            await asyncio.to_thread(make, email, username)


async def test_credentials_and_token_are_in_the_audit_trail(
    urls: StoreUrls, new_folder: Settings, anonymous_client: httpx2.AsyncClient
) -> None:
    await asyncio.to_thread(ensure_credentials, urls, new_folder)
    token = await asyncio.to_thread(issue_admin_token, urls, new_folder)
    response = await anonymous_client.get("/v1/audit_events", headers=bearer(token))
    events = response.json()["items"]
    assert {event["act"] for event in events} == {"role_changed", "key_created", "login"}
    assert all(event["details"] == {"by": "polystore"} for event in events)


def test_admin_token_is_signed_and_lives_twelve_hours(
    urls: StoreUrls, new_folder: Settings, state: State, reset_stores: None
) -> None:
    ensure_credentials(urls, new_folder)
    token = issue_admin_token(urls, new_folder)
    assert "users:admin" in state["keyring"].read(token).scopes
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == timedelta(hours=12).total_seconds()


def test_admin_token_without_credentials_raises_error_with_remedy(
    urls: StoreUrls, new_folder: Settings
) -> None:
    with pytest.raises(CredentialsMissing, match="make serve"):
        issue_admin_token(urls, new_folder)
    (new_folder.data_dir / "credentials.json").write_text("{}")
    with pytest.raises(CredentialsMissing, match="Remove it"):
        issue_admin_token(urls, new_folder)


async def test_admin_command_creates_administrator_then_resets_password(
    urls: StoreUrls, anonymous_client: httpx2.AsyncClient
) -> None:
    environment = {"DATABASE_URL": urls.database_url, "MONGODB_URL": urls.mongodb_url}
    passwords = []
    for username in ("ada", "Ada"):
        command = ("admin", "ada@example.com", "--username", username)
        result = await asyncio.to_thread(run_cli, *command, **environment)
        assert result.exit_code == 0, result.stderr
        passwords.append(result.stdout.strip())
    statuses = []
    for password in passwords:
        form = {"grant_type": "password", "username": "ada", "password": password}
        response = await anonymous_client.post("/v1/auth/token", data=form)
        statuses.append(response.status_code)
    assert statuses == [401, 200]


@pytest.mark.parametrize(
    ("email", "username"), [("eve@example.com", "ada"), ("ada@example.com", "eve")]
)
def test_create_administrator_name_of_another_user_is_refused(
    urls: StoreUrls, new_folder: Settings, reset_stores: None, email: str, username: str
) -> None:
    create_administrator(urls, new_folder, "ada@example.com", "ada")
    with pytest.raises(UserMismatch, match=username):
        create_administrator(urls, new_folder, email, username)


@pytest.mark.parametrize(
    ("missing", "remedy"), [("schema", "polystore migrate apply"), ("server", "not reachable")]
)
def test_create_administrator_without_store_raises_error_with_remedy(
    urls: StoreUrls, new_folder: Settings, worker_name: str, missing: str, remedy: str
) -> None:
    if missing == "schema":
        url = new_database(urls.database_url, f"{worker_name}_bare")
    else:
        url = "postgresql+asyncpg://polystore:x@127.0.0.1:9/polystore"
    with pytest.raises(AdministrationFailed, match=remedy):
        create_administrator(urls._replace(database_url=url), new_folder, "ada@example.com", "ada")
