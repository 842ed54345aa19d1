"""PgBouncer in transaction mode between PostgreSQL and several processes."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from pydantic import SecretStr

from service.cli.admin import create_administrator
from service.cli.stores import StoreUrlMissing, open_schema
from service.settings import Settings
from service.stores.embedded import StoreUrls
from tests.fixtures.pgbouncer import PROGRAM, pgbouncer
from tests.fixtures.service import on_stores_of, running_service

ROOT = Path(__file__).parents[2]
CLIENTS, ROUNDS = 6, 5
OURS = "statement_timeout,lock_timeout,idle_in_transaction_session_timeout,jit,plan_cache_mode"

pytestmark = [
    pytest.mark.failover,
    pytest.mark.xdist_group("pgbouncer"),
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed"),
]


def wrong_results(url: str, *, through_pgbouncer: bool) -> int:
    """Return the number of wrong results and errors of two processes at once."""
    program = [sys.executable, "-m", "tests.faults.pooled_queries", url]
    processes = [
        subprocess.Popen(
            [*program, "yes" if through_pgbouncer else "no", str(first)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for first in (100, 200)
    ]
    return sum(int(process.communicate(timeout=120)[0]) for process in processes)


@pytest.fixture(scope="module")
def pooled_url(settings: Settings) -> Iterator[str]:
    assert settings.database_url is not None
    with pgbouncer(settings.database_url.get_secret_value(), ignored_settings=OURS) as url:
        yield url


def test_engine_through_pgbouncer_returns_what_was_asked(pooled_url: str) -> None:
    assert wrong_results(pooled_url, through_pgbouncer=True) == 0


def test_engine_that_names_its_statements_goes_wrong(pooled_url: str) -> None:
    """The setting is what makes the difference."""
    assert wrong_results(pooled_url, through_pgbouncer=False) > 0


async def use_main_paths(client: httpx2.AsyncClient, number: int) -> None:
    """Create, read, change and list; compare each answer with what was sent."""
    name = f"p{number}-{uuid4().hex}"
    made = await client.post("/v1/users", json={"username": name, "email": f"{name}@example.com"})
    assert made.status_code == 201, made.text
    user = made.json()
    read = await client.get(f"/v1/users/{user['id']}")
    assert read.json()["username"] == name
    change, condition = {"city": f"city {number}"}, {"If-Match": read.headers["ETag"]}
    changed = await client.patch(f"/v1/users/{user['id']}", json=change, headers=condition)
    assert changed.json()["city"] == change["city"], changed.text
    title = f"post of {name}"
    body = {"author_id": user["id"], "title": title, "content": "…", "published": True}
    key = {"Idempotency-Key": name}
    first = await client.post("/v1/posts", json=body, headers=key)
    again = await client.post("/v1/posts", json=body, headers=key)
    assert first.json()["id"] == again.json()["id"], again.text
    page = await client.get("/v1/posts", params={"author_id": user["id"], "expand": "author"})
    assert [post["title"] for post in page.json()["items"]] == [title]
    report = await client.get("/v1/reports/user_growth")
    assert report.status_code == 200, report.text
    event: dict[str, Any] = {
        "prediction_id": str(uuid4()),
        "timestamp": "2026-11-20T12:00:00Z",
        "model": "pooled",
        "version": "1",
        "features": {},
        "output": {"score": 0.5},
    }
    logged = await client.post("/v1/predictions", json=event)
    assert logged.status_code == 201, logged.text


def test_service_through_pgbouncer_serves_the_main_paths(
    settings: Settings, tmp_path: Path
) -> None:
    assert settings.database_url is not None
    assert settings.mongodb_url is not None
    with pgbouncer(settings.database_url.get_secret_value()) as url:
        urls = StoreUrls(url, settings.mongodb_url.get_secret_value())
        pooled = settings.model_copy(update={"sql_pgbouncer": True})
        password = create_administrator(urls, pooled, "ada@example.com", "ada")
        environment = {
            **on_stores_of(settings),
            "DATABASE_URL": url,
            "POLYSTORE_SQL_PGBOUNCER": "true",
        }
        with (
            running_service(tmp_path / "first", **environment) as first,
            running_service(tmp_path / "second", **environment) as second,
        ):
            form = {"grant_type": "password", "username": "ada", "password": password}
            login = httpx2.post(f"{first.url}/v1/auth/token", data=form, timeout=30)
            headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
            asyncio.run(use_both([first.url, second.url], headers))


async def use_both(urls: list[str], headers: dict[str, str]) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx2.AsyncClient(base_url=url, headers=headers, timeout=30)
            )
            for url in urls
        ]
        for _ in range(ROUNDS):
            await asyncio.gather(
                *(use_main_paths(clients[n % len(clients)], n) for n in range(CLIENTS))
            )


def test_migrate_through_pgbouncer_asks_for_a_direct_url() -> None:
    pooled = Settings(database_url=SecretStr("postgresql://u:p@pooler/d"), sql_pgbouncer=True)
    with pytest.raises(StoreUrlMissing, match="MIGRATION_DATABASE_URL"), open_schema(pooled):
        pass
    direct = pooled.model_copy(update={"migration_database_url": SecretStr("postgresql://u@h/d")})
    with open_schema(direct) as url:
        assert url == "postgresql://u@h/d"
