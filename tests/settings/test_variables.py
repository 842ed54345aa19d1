"""``.env`` beneath the environment, and secrets in files."""

from pathlib import Path
from traceback import format_exception

import pytest
from pydantic import SecretStr

from service.settings import BadVariable, Settings
from service.settings.variables import file_names

URL = "postgresql://u:sesame@h/d"


@pytest.fixture(autouse=True)
def _no_urls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Read ``.env`` of an empty working directory, as the command does."""
    monkeypatch.delenv("POLYSTORE_ENV_FILE")
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "MONGODB_URL", "PORT"):
        monkeypatch.delenv(name, raising=False)


def secret_of(url: SecretStr | None) -> str | None:
    return None if url is None else url.get_secret_value()


def test_env_file_of_working_directory_is_read() -> None:
    Path(".env").write_text(f"DATABASE_URL={URL}\nPORT=8123\nPOSTGRES_PASSWORD=of-compose\n")
    settings = Settings()
    assert (secret_of(settings.database_url), settings.port) == (URL, 8123)


@pytest.mark.parametrize("variable", ["DATABASE_URL", "POLYSTORE_DATABASE_URL"])
def test_env_file_below_environment_gives_only_the_rest(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(".env").write_text("DATABASE_URL=postgresql://h/file\nPORT=8123\n")
    monkeypatch.setenv(variable, URL)
    settings = Settings()
    assert (secret_of(settings.database_url), settings.port) == (URL, 8123)


def test_env_file_is_named_or_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PORT=8123\n")
    Path("other.env").write_text("PORT=8124\n")
    monkeypatch.setenv("POLYSTORE_ENV_FILE", "other.env")
    assert Settings().port == 8124
    monkeypatch.setenv("POLYSTORE_ENV_FILE", "")
    assert Settings().port == 8000
    monkeypatch.setenv("POLYSTORE_ENV_FILE", "missing.env")
    with pytest.raises(BadVariable, match=r"missing\.env, which is no file"):
        Settings()


def test_env_file_below_secret_file_of_environment_gives_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text(f"POLYSTORE_SECRET={'f' * 32}\n")
    Path("secrets").write_text("9f2c41d07b6e48a5b3d1e0c7f8a94625\n")
    monkeypatch.setenv("POLYSTORE_SECRET_FILE", "secrets")
    assert Settings().signing_secrets() == [b"9f2c41d07b6e48a5b3d1e0c7f8a94625"]


def test_env_file_with_secret_file_below_secret_of_environment_is_unread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("POLYSTORE_SECRET_FILE=missing\n")
    monkeypatch.setenv("POLYSTORE_SECRET", "of the environment")
    assert Settings().signing_secrets() == [b"of the environment"]


@pytest.mark.parametrize("value", ["a${HOME}b", "a$b", "${UNSET:-c}d", "$${e}"])
def test_env_file_value_with_dollar_is_taken_as_written(value: str) -> None:
    Path(".env").write_text(f'POLYSTORE_TOKEN={value}\nMONGODB_URL="mongodb://u:{value}@h"\n')
    settings = Settings()
    assert secret_of(settings.token) == value
    assert secret_of(settings.mongodb_url) == f"mongodb://u:{value}@h"


@pytest.mark.parametrize("bad", ['POLYSTORE_TOKEN="sesame', "PORT: 8123", "MONGODB_URL='a'b"])
def test_env_file_bad_line_is_refused_by_file_and_line(
    bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    Path(".env").write_text(f"# ports\nPORT=8123\n\n\n{bad}\nHOST=h\n")
    with pytest.raises(BadVariable) as error:
        Settings()
    assert str(error.value).startswith("Line 5 of .env cannot be read. Write NAME=value")
    assert "sesame" not in "".join(format_exception(error.value))
    assert caplog.records == []  # python-dotenv itself warns without the name of the file


def test_port_of_a_kubernetes_service_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYSTORE_PORT", "tcp://10.0.0.1:8000")
    assert Settings().port == 8000
    Path(".env").write_text("POLYSTORE_PORT=8123\n")
    assert Settings().port == 8123
    monkeypatch.setenv("POLYSTORE_PORT", "8124")
    assert Settings().port == 8124


def test_env_file_that_is_no_text_is_refused() -> None:
    Path(".env").write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(BadVariable, match=r"\.env cannot be read"):
        Settings()


def test_secrets_all_have_a_variable_for_a_file() -> None:
    secret = [name for name, field in Settings.model_fields.items() if "Secret" in str(field)]
    files = {named for named in file_names(Settings) if named.startswith("polystore_")}
    assert files == {f"polystore_{name}_file" for name in secret}


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_secret_file_is_read_without_its_last_line_break(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("token").write_bytes(f" pk_a\nb{end}".encode())
    monkeypatch.setenv("POLYSTORE_TOKEN_FILE", "token")
    assert secret_of(Settings().token) == " pk_a\nb"


def test_secret_file_named_in_env_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("url").write_text(f"{URL}\n")
    Path(".env").write_text("DATABASE_URL_FILE=url\n")
    assert secret_of(Settings().database_url) == URL
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/environment")
    assert secret_of(Settings().database_url) == "postgresql://h/environment"


@pytest.mark.parametrize("variable", ["MONGODB_URL", "POLYSTORE_SECRET"])
@pytest.mark.parametrize("in_env_file", [True, False])
def test_secret_file_beside_value_is_refused(
    variable: str, in_env_file: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {variable: "mongodb://h", f"{variable}_FILE": "url"}
    Path("url").write_text(URL)
    if in_env_file:
        Path(".env").write_text("".join(f"{name}={value}\n" for name, value in both.items()))
    else:
        for name, value in both.items():
            monkeypatch.setenv(name, value)
    with pytest.raises(BadVariable, match=f"{variable} and {variable}_FILE are both set"):
        Settings()


@pytest.mark.parametrize("content", [None, b"", b"\n", b"sesame\xff"])
def test_secret_file_unreadable_is_refused_without_content(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        Path("url").write_bytes(content)
    monkeypatch.setenv("DATABASE_URL_FILE", "url")
    with pytest.raises(BadVariable, match="DATABASE_URL_FILE names url, which") as error:
        Settings()
    assert "sesame" not in str(error.value)
    assert "sesame" not in "".join(format_exception(error.value))
