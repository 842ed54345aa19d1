"""Misspelled settings are reported, and change nothing."""

from pathlib import Path

import pytest

from service.main import StoresNotConfigured, create_app
from service.settings import Settings, unknown_variables
from tests.fixtures.cli import run_cli


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("POLYSTORE_SQL_POOLSIZE", "POLYSTORE_SQL_POOL_SIZE"),
        ("POLYSTORE_DATABASEURL_FILE", "POLYSTORE_DATABASE_URL_FILE"),
        ("polystore_worker", "POLYSTORE_WORKERS"),
    ],
)
def test_unknown_variables_name_the_nearest(
    name: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "sesame")
    (sentence,) = unknown_variables()
    assert sentence == f"{name.upper()} is not a setting. The nearest name is {nearest}."


def test_unknown_variables_file_of_no_secret_names_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POLYSTORE_PORT_FILE", "port")
    assert unknown_variables() == [
        "POLYSTORE_PORT_FILE is not a setting: only secrets have files. Set POLYSTORE_PORT."
    ]


def test_unknown_variables_leave_out_settings_and_kubernetes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"POLYSTORE_{name.upper()}", "1")
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_8000_TCP_ADDR", "PORT_8000_TCP"):
        monkeypatch.setenv(f"POLYSTORE_{name}", "10.0.0.1")
    assert unknown_variables() == []


def test_command_reports_unknown_variables_of_env_file_once(tmp_path: Path) -> None:
    path = tmp_path / "my.env"
    path.write_text("POLYSTORE_QQQQQQQQ=sesame\nQQQQ=1\n")
    result = run_cli("demo", "--url", "http://127.0.0.1:9", POLYSTORE_ENV_FILE=str(path))
    assert result.stderr.count("POLYSTORE_QQQQQQQQ is not a setting. It has no effect.") == 1
    assert "sesame" not in result.output + result.stderr


def test_command_with_bad_line_in_env_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "my.env"
    path.write_text("POLYSTORE_TOKEN 'sesame\n")
    result = run_cli("doctor", POLYSTORE_ENV_FILE=str(path))
    assert (result.exit_code, result.stderr.count(f"Line 1 of {path} cannot be read")) == (5, 1)
    assert not any(word in result.stderr for word in ("sesame", "dotenv"))


def test_command_with_unreadable_env_file_is_one_sentence(tmp_path: Path) -> None:
    result = run_cli("doctor", POLYSTORE_ENV_FILE=str(tmp_path))
    assert (result.exit_code, result.stderr.count("is no file")) == (5, 1)
    assert "Usage" in run_cli("doctor", "--help", POLYSTORE_ENV_FILE=str(tmp_path)).output


def test_create_app_logs_unknown_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {"TAIL": "3", "SECRET": "9f2c41d07b6e48a5b3d1e0c7f8a94625"}.items():
        monkeypatch.setenv(f"POLYSTORE_{name}", value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    with pytest.raises(StoresNotConfigured):
        create_app()
    monkeypatch.setenv("MONGODB_URL", "mongodb://h/?replicaSet=a")
    create_app()
    assert capsys.readouterr().out.count("POLYSTORE_TAIL is not a setting") == 1
