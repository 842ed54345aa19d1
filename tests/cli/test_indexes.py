"""``polystore indexes``. The commands themselves are tested in tests/mongo_indexes."""

import pytest

from service.stores.embedded import StoreUrls
from tests.fixtures.cli import run_cli, run_cli_process

pytestmark = pytest.mark.slow  # a process imports the service


def test_indexes_check_differs_until_they_are_applied(engines: StoreUrls, worker_name: str) -> None:
    database = ["--database", f"{worker_name}_cli"]
    url = engines.mongodb_url
    assert run_cli("indexes", "check", *database, MONGODB_URL=url).exit_code == 2
    applied = run_cli_process("indexes", "apply", "--yes", *database, MONGODB_URL=url)
    assert applied.returncode == 0
    assert run_cli("indexes", "check", *database, MONGODB_URL=url).exit_code == 0
