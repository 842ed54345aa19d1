"""The administrator whom a first start makes, and whom operators make."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx2
import jwt
import pytest

from service.cli.admin import (
    NoCredentials,
    NotDone,
    NotThisUser,
    administrator_token,
    first_start,
    kept_credentials,
    make_administrator,
)
from service.main import State
from service.settings import Settings
from service.stores.embedded import StoreUrls
from tests.auth.factories import bearer
from tests.fixtures.stores import new_database


@pytest.fixture
def urls(settings: Settings) -> StoreUrls:
    assert settings.database_url is not None
    assert settings.mongodb_url is not None
    return StoreUrls(
        settings.database_url.get_secret_value(), settings.mongodb_url.get_secret_value()
    )


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a data folder that nothing was started on."""
    return settings.model_copy(update={"data_dir": tmp_path})


def test_a_first_start_makes_both_shows_them_once_and_keeps_them_to_their_owner(
    urls: StoreUrls, folder: Settings, reset_stores: None
) -> None:
    told: list[str] = []
    first_start(urls, folder, told.append)
    kept = kept_credentials(folder)
    assert kept.password in "\n".join(told)
    assert kept.demo_key in "\n".join(told)
    assert (folder.data_dir / "credentials.json").stat().st_mode & 0o777 == 0o600
    again: list[str] = []
    first_start(urls, folder, again.append)
    assert (again, kept_credentials(folder)) == ([], kept)


def test_a_start_that_was_killed_before_it_kept_them_begins_again(
    urls: StoreUrls, folder: Settings, reset_stores: None
) -> None:
    first_start(urls, folder, lambda _line: None)
    before = kept_credentials(folder)
    (folder.data_dir / "credentials.json").unlink()
    first_start(urls, folder, lambda _line: None)
    assert kept_credentials(folder).password != before.password
    assert administrator_token(urls, folder)
    assert before.demo_key != kept_credentials(folder).demo_key


async def test_a_second_first_start_ends_the_key_of_the_one_before(
    urls: StoreUrls, folder: Settings, anonymous_client: httpx2.AsyncClient
) -> None:
    keys = []
    for _ in range(2):
        (folder.data_dir / "credentials.json").unlink(missing_ok=True)
        await asyncio.to_thread(first_start, urls, folder, lambda _line: None)
        keys.append(kept_credentials(folder).demo_key)
    answers = [await anonymous_client.get("/v1/me", headers=bearer(key)) for key in keys]
    assert [answer.status_code for answer in answers] == [401, 200]


def test_the_token_is_a_signed_one_for_twelve_hours(
    urls: StoreUrls, folder: Settings, state: State, reset_stores: None
) -> None:
    first_start(urls, folder, lambda _line: None)
    token = administrator_token(urls, folder)
    assert "users:admin" in state["keyring"].read(token).scopes
    said = jwt.decode(token, options={"verify_signature": False})
    assert said["exp"] - said["iat"] == timedelta(hours=12).total_seconds()


def test_without_credentials_it_says_what_to_do(urls: StoreUrls, folder: Settings) -> None:
    with pytest.raises(NoCredentials, match="make serve"):
        administrator_token(urls, folder)
    (folder.data_dir / "credentials.json").write_text("{}")
    with pytest.raises(NoCredentials, match="Remove it"):
        administrator_token(urls, folder)


def test_an_operator_makes_an_administrator_and_gives_new_passwords(
    urls: StoreUrls, folder: Settings, reset_stores: None
) -> None:
    first = make_administrator(urls, folder, "ada@example.com", "ada")
    second = make_administrator(urls, folder, "ada@example.com", "Ada")
    assert first != second


@pytest.mark.parametrize(
    ("email", "username"), [("eve@example.com", "ada"), ("ada@example.com", "eve")]
)
def test_nobody_becomes_an_administrator_by_a_name_they_took_first(
    urls: StoreUrls, folder: Settings, reset_stores: None, email: str, username: str
) -> None:
    make_administrator(urls, folder, "ada@example.com", "ada")
    with pytest.raises(NotThisUser, match=username):
        make_administrator(urls, folder, email, username)


@pytest.mark.parametrize("what", ["schema", "server"])
def test_whoever_cannot_be_made_is_told_what_is_missing(
    urls: StoreUrls, folder: Settings, worker_name: str, what: str
) -> None:
    if what == "schema":
        url = new_database(urls.database_url, f"{worker_name}_bare")
    else:
        url = "postgresql+asyncpg://polystore:x@127.0.0.1:9/polystore"
    told = {"schema": "polystore migrate apply", "server": "not reachable"}[what]
    with pytest.raises(NotDone, match=told):
        make_administrator(urls._replace(database_url=url), folder, "ada@example.com", "ada")
