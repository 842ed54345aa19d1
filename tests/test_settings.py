"""What the environment may say."""

import secrets
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.main import StoresNotConfigured, create_app
from service.settings import BadSecret, Settings


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_any_name_of_postgresql_means_our_driver(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@h:5432/d")
    url = Settings().database_url
    assert url is not None
    assert url.get_secret_value() == "postgresql+asyncpg://u:p@h:5432/d"


def test_another_database_is_refused_without_telling_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:sesame@h/d")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "postgresql://" in str(refused.value)
    assert "sesame" not in str(refused.value)


def test_each_setting_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYSTORE_SQL_POOL_SIZE", "7")
    monkeypatch.setenv("PORT", "0")
    assert (Settings().sql_pool_size, Settings().port) == (7, 0)


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        secret=SecretStr("sesame opens the door to 40 thieves"),
        database_url=SecretStr("postgresql://u:sesame@h/d"),
    )
    assert "sesame" not in repr(settings)


def test_a_secret_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", secret=None)
    (first,) = settings.signing_secrets()
    assert len(first) >= 32
    assert Settings(data_dir=tmp_path / "data", secret=None).signing_secrets() == [first]
    assert (tmp_path / "data" / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret"]


def test_an_application_without_stores_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MONGODB_URL", raising=False)
    with pytest.raises(StoresNotConfigured, match="DATABASE_URL and MONGODB_URL"):
        create_app(Settings())


@pytest.mark.parametrize(
    "secret", ["short and sweet", "changeme" * 8, "a" * 64, "secret-secret-secret-secret-secret"]
)
def test_a_secret_that_could_be_guessed_is_refused_with_servers_of_ones_own(secret: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand") as refused:
        Settings(secret=SecretStr(secret), database_url=SecretStr("postgresql://u:p@h/d"))
    assert secret not in str(refused.value)
    assert Settings(secret=SecretStr(secret)).secret is not None


def test_secrets_come_from_a_file_the_first_signs(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    new, old = secrets.token_hex(32), secrets.token_hex(32)
    path.write_text(f"{new}\n{old}\n")
    assert Settings(secret_file=path).signing_secrets() == [new.encode(), old.encode()]
    before = Settings(secret=SecretStr(new), previous_secrets=SecretStr(f"{old}, {old}"))
    assert before.signing_secrets() == [new.encode(), old.encode(), old.encode()]


@pytest.mark.parametrize("text", ["", "short\n"])
def test_a_bad_secret_file_is_told_by_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets"
    for bad in (path, tmp_path / "missing"):
        path.write_text(text)
        with pytest.raises(BadSecret):
            Settings(secret_file=bad).signing_secrets()


def test_a_rate_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(rate_login="often")
