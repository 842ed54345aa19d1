"""``polystore retention``. Its effects are tested in tests/documents/predictions."""

import json

from service.stores.embedded import StoreUrls
from tests.fixtures.cli import run_cli


def test_retention_plan_empty_database_counts_nothing(engines: StoreUrls, worker_name: str) -> None:
    result = run_cli(
        *("retention", "plan", "--json"),
        MONGODB_URL=engines.mongodb_url,
        POLYSTORE_MONGODB_DATABASE=f"{worker_name}_empty",
    )
    assert result.exit_code == 0, result.stderr
    assert set(json.loads(result.stdout).values()) == {0}
