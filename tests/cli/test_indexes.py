"""``polystore indexes``. The commands themselves are tested in tests/mongo_indexes."""

from service.stores.embedded import StoreUrls
from tests.fixtures.cli import run_cli


def test_indexes_check_differs_until_they_are_applied(engines: StoreUrls, worker_name: str) -> None:
    database = ["--database", f"{worker_name}_cli"]
    url = engines.mongodb_url
    assert run_cli("indexes", "check", *database, MONGODB_URL=url).exit_code == 2
    assert run_cli("indexes", "apply", "--yes", *database, MONGODB_URL=url).exit_code == 0
    assert run_cli("indexes", "check", *database, MONGODB_URL=url).exit_code == 0
