"""``polystore demo``. Its effect is tested in test_serve.py."""

from tests.fixtures.cli import run_cli


def test_demo_without_service_names_the_command_to_start_it() -> None:
    result = run_cli("demo", "--url", "http://127.0.0.1:9", POLYSTORE_TOKEN="pk_none")
    assert result.exit_code == 5
    assert "make serve" in result.stderr
