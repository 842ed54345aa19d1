"""The settings: variables, secrets, and errors that do not show them."""

import secrets
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr, ValidationError

from service.auth.access_tokens import Claims, Keyring
from service.auth.caller import InvalidToken
from service.core.signing import Signer
from service.main import StoresNotConfigured, create_app
from service.settings import BadSecret, Settings


def test_settings_other_database_is_refused_without_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://u:sesame@h/d")
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "postgresql://" in str(error.value)
    assert "sesame" not in str(error.value)


@pytest.mark.parametrize(
    "name", ["REPORTING_DATABASE_URL", "MIGRATION_DATABASE_URL", "MONGODB_URL"]
)
def test_settings_unescaped_password_is_refused_and_not_shown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "postgres://u:ses@me/x@h/d")
    with pytest.raises(ValidationError) as error:
        Settings()
    assert name in str(error.value)
    assert not any(piece in str(error.value) for piece in ("ses@", "me/x"))


def test_settings_are_read_from_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYSTORE_SQL_POOL_SIZE", "7")
    monkeypatch.setenv("PORT", "0")
    assert (Settings().sql_pool_size, Settings().port) == (7, 0)


def test_settings_repr_hides_secrets() -> None:
    settings = Settings(
        secret=SecretStr("sesame, a phrase of enough length"),
        database_url=SecretStr("postgresql://u:sesame@h/d"),
    )
    assert "sesame" not in repr(settings)


def test_signing_secrets_are_generated_once_in_private_file(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", secret=None)
    (first,) = settings.signing_secrets()
    assert len(first) >= 32
    assert Settings(data_dir=tmp_path / "data", secret=None).signing_secrets() == [first]
    assert (tmp_path / "data" / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret"]


def test_create_app_without_stores_names_missing_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MONGODB_URL", raising=False)
    with pytest.raises(StoresNotConfigured, match="DATABASE_URL and MONGODB_URL"):
        create_app(Settings())


@pytest.mark.parametrize(
    "secret", ["short and sweet", "changeme" * 8, "a" * 64, "secret-secret-secret-secret-secret"]
)
def test_settings_weak_secret_is_refused_with_own_servers(secret: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand") as error:
        Settings(secret=SecretStr(secret), database_url=SecretStr("postgresql://u:p@h/d"))
    assert secret not in str(error.value)
    assert Settings(secret=SecretStr(secret)).secret is not None


def test_signing_secrets_file_and_previous_keep_their_order(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    new, old = secrets.token_hex(32), secrets.token_hex(32)
    path.write_text(f"{new}\n{old}\n")
    assert Settings(secret_file=path).signing_secrets() == [new.encode(), old.encode()]
    settings = Settings(secret=SecretStr(new), previous_secrets=SecretStr(f"{old}, {old}"))
    assert settings.signing_secrets() == [new.encode(), old.encode(), old.encode()]


@pytest.mark.parametrize("previous", ["abc,", ",abc", " , abc,,", "abc\n\n", "\nabc", ","])
def test_signing_secrets_blank_previous_ones_verify_nothing(previous: str) -> None:
    settings = Settings(secret=SecretStr("now"), previous_secrets=SecretStr(previous))
    assert not Signer(settings.signing_secrets()).verify(Signer([b""]).sign(b"x"), b"x")
    anybody = Keyring([b""], issuer=settings.token_issuer, audience=settings.token_audience)
    forged = anybody.sign(Claims(uuid4(), frozenset({"users:admin"})), timedelta(hours=1))
    with pytest.raises(InvalidToken):
        Keyring.of(settings).read(forged)
    assert settings.signing_secrets() == [b"now", *([b"abc"] if "abc" in previous else [])]


@pytest.mark.parametrize("secret", ["", " ", "\t\n"])
def test_settings_blank_secret_is_refused_with_embedded_engines(secret: str) -> None:
    with pytest.raises(ValidationError, match="openssl rand"):
        Settings(secret=SecretStr(secret))


@pytest.mark.parametrize("text", ["", "short\n"])
def test_signing_secrets_missing_or_bad_file_raises_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets"
    path.write_text(text)
    for bad in (path, tmp_path / "missing"):
        with pytest.raises(BadSecret):
            Settings(secret_file=bad).signing_secrets()


def test_settings_malformed_rate_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(rate_login="often")
