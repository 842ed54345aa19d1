"""An engine of its own, because some drift is planted by a superuser."""

from collections.abc import Iterator

import pytest
from typing_extensions import override

from service.stores.embedded import PostgresEngine
from service.stores.embedded.supervisor import ProcessSpec
from service.stores.sql import migrations
from tests.stores.sql.schema_check.server import CheckedServer


class FastEngine(PostgresEngine):
    """An engine without durability."""

    @override
    def _process_spec(self) -> ProcessSpec:
        spec = super()._process_spec()
        spec["command"] += ["-c", "fsync=off", "-c", "autovacuum=off"]
        return spec


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedServer]:
    """A server whose database ``polystore`` is migrated."""
    engine = FastEngine(tmp_path_factory.mktemp("schema_check") / "postgresql")
    engine.start()
    try:
        password = (engine.folder / "superuser_password").read_text().strip()
        migrations.apply(engine.url, lambda _line: None)
        yield CheckedServer(
            engine.url, engine.url.replace(f"polystore:{engine.password}@", f"postgres:{password}@")
        )
    finally:
        engine.stop()
