"""Errors as messages."""

import pytest

from tests.fixtures.cli import run_cli, run_cli_process


def test_report_errors_bad_settings_are_named_without_values() -> None:
    result = run_cli("doctor", DATABASE_URL="mysql://root:sesame@h/d", PORT="none")
    assert result.exit_code == 5
    assert "DATABASE_URL" in result.stderr
    assert "PORT" in result.stderr
    assert "sesame" not in result.stderr


@pytest.mark.slow
def test_report_errors_unreachable_store_is_one_line() -> None:
    """In its own process, so that nothing else writes to standard error either."""
    url = "postgresql://polystore:sesame@127.0.0.1:9/polystore"
    result = run_cli_process("migrate", "apply", DATABASE_URL=url)
    assert result.returncode == 5
    assert "not reachable" in result.stderr
    assert "Traceback" not in result.stderr
    assert "sesame" not in result.stderr
