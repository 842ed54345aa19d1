"""A real streaming replica: reports read from it, and from the primary when it is gone."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.main import create_app
from service.settings import Settings
from service.stores.embedded import PostgresEngine, StoreUrls
from service.stores.sql.engine import open_sql
from tests.fixtures.client import ADMINISTRATOR, client_as
from tests.relational.users.factories import make_user

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("replica")]

GROWTH = "/v1/reports/user_growth"


class ReplicaEngine(PostgresEngine):
    """Follows another engine, from a base backup."""

    def __init__(self, folder: Path, primary: PostgresEngine) -> None:
        super().__init__(folder)
        self.primary = primary

    def _create(self, data: Path) -> None:
        shutil.copy(self.primary.folder / "password", self.folder / "password")
        superuser = (self.primary.folder / "superuser_password").read_text().strip()
        source = f"postgresql://postgres:{superuser}@127.0.0.1:{self.primary.port}/postgres"
        self._run_or_fail(
            [
                self._program("pg_basebackup"),
                f"--dbname={source}",
                f"--pgdata={data}",
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
            ]
        )
        data.rename(self.data)


@pytest.fixture(scope="module")
def pair(
    prepared_service_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PostgresEngine, ReplicaEngine]]:
    folder = tmp_path_factory.mktemp("pair")
    shutil.copytree(prepared_service_folder / "data" / "postgres", folder / "primary")
    primary = PostgresEngine(folder / "primary")
    primary.start()
    replica = ReplicaEngine(folder / "replica", primary)
    replica.start()
    yield primary, replica
    replica.stop()
    primary.stop()


@pytest.fixture
def settings_of_both(
    pair: tuple[PostgresEngine, ReplicaEngine], engines: StoreUrls, tmp_path: Path
) -> Settings:
    primary, replica = pair
    return Settings(
        database_url=SecretStr(primary.url),
        reporting_database_url=SecretStr(replica.url),
        mongodb_url=SecretStr(engines.mongodb_url),
        data_dir=tmp_path,
    )


@pytest.fixture
async def client(settings_of_both: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(settings_of_both)
    async with (
        app.router.lifespan_context(app) as state,
        client_as(ADMINISTRATOR, app, state) as speaking,
    ):
        yield speaking


async def counted(client: httpx2.AsyncClient) -> int:
    answer = await client.get(GROWTH)
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    return items[-1]["total"] if items else 0


async def test_reports_read_from_the_replica_which_follows(
    client: httpx2.AsyncClient, settings_of_both: Settings
) -> None:
    await make_user(client)
    async with open_sql(settings_of_both) as sql:
        async with sql.reading(sql.breaker.deadline()) as session:
            expected = await session.scalar(
                text("SELECT count(*) FROM users WHERE username <> '(erased)'")
            )
        async with asyncio.timeout(30):
            while await counted(client) != expected:
                await asyncio.sleep(0.02)
        deadline = sql.reporting_breaker.deadline()
        async with sql.reporting(deadline) as session:
            assert await session.scalar(text("SELECT pg_is_in_recovery()"))
        with pytest.raises(DBAPIError, match="read-only"):
            async with sql.reporting(deadline, primary=True) as session:
                await session.execute(text("DELETE FROM users"))


async def test_while_the_replica_hangs_or_is_gone_the_primary_answers(
    client: httpx2.AsyncClient, pair: tuple[PostgresEngine, ReplicaEngine]
) -> None:
    _, replica = pair
    await counted(client)
    await make_user(client)
    assert replica.pid is not None
    whole = [psutil.Process(replica.pid), *psutil.Process(replica.pid).children(recursive=True)]
    for process in whole:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(30):
            answers = [await client.get(GROWTH) for _ in range(7)]
    finally:
        for process in whole:
            os.kill(process.pid, signal.SIGCONT)
    assert [answer.status_code for answer in answers] == [200] * 7
    replica.stop()
    assert (await client.get(GROWTH)).status_code == 200
    replica.start()
    assert (await client.get(GROWTH)).status_code == 200
