"""What the environment may say."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from service.main import StoresNotConfigured, create_app
from service.settings import Settings


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
        secret=SecretStr("sesame opens all"), database_url=SecretStr("postgresql://u:sesame@h/d")
    )
    assert "sesame" not in repr(settings)


def test_a_secret_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", secret=None)
    first = settings.signing_key()
    assert len(first) >= 32
    assert Settings(data_dir=tmp_path / "data", secret=None).signing_key() == first
    assert (tmp_path / "data" / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret"]


def test_an_application_without_stores_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("MONGODB_URL", raising=False)
    with pytest.raises(StoresNotConfigured, match="DATABASE_URL and MONGODB_URL"):
        create_app(Settings())
