"""The stores that commands work on."""

from pathlib import Path

from tests.fixtures.cli import run_cli


def test_configured_stores_one_url_missing_is_named(tmp_path: Path) -> None:
    result = run_cli("serve", DATABASE_URL="postgresql://h/d", POLYSTORE_DATA_DIR=str(tmp_path))
    assert result.exit_code == 5
    assert "MONGODB_URL is not set" in result.stderr
