"""``polystore serve``, and the other commands on the data folder of a running service."""

import asyncio
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from service.cli.demo.client import find_or_create
from service.cli.demo.records import create_records
from service.cli.serve import AddressInUse, _listen
from service.cli.server import Server, ShutdownSignal
from service.settings import Settings
from service.stores.embedded import StoreUrls
from service.stores.sql import migrations
from tests.auth.factories import bearer
from tests.fixtures.cli import run_cli
from tests.fixtures.service import RunningService, running_service

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("cli_serve")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service with embedded engines."""
    with running_service(tmp_path_factory.mktemp("served")) as service:
        yield service


@pytest.fixture
def data_dir(served: RunningService) -> str:
    return str(served.log.parent / "data")


def test_serve_port_in_use_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        result = run_cli("serve", PORT=port, POLYSTORE_DATA_DIR=str(tmp_path / "data"))
    assert result.exit_code == 5
    assert "PORT=" in result.stderr
    assert not (tmp_path / "data").exists()


async def test_serve_signal_during_start_ends_the_server() -> None:
    """Python ignores the exception of a signal handler within a finalizer."""
    shutdown_signal = ShutdownSignal()
    with pytest.raises(SystemExit):
        shutdown_signal(signal.SIGTERM, None)

    async def application(_scope: Scope, _receive: Receive, _send: Send) -> None: ...

    config = uvicorn.Config(application, lifespan="off", log_config=None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await asyncio.wait_for(Server(config, shutdown_signal, 0).serve([listener]), 20)


@pytest.fixture
def signal_handlers() -> Iterator[None]:
    """The handlers of this process, again after the test: ``serve`` installs its own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_serve_data_folder_in_use_is_refused(data_dir: str, signal_handlers: None) -> None:
    result = run_cli("serve", PORT="0", POLYSTORE_DATA_DIR=data_dir)
    assert result.exit_code == 5
    assert "in use" in result.stderr


def test_demo_served_folder_second_run_adds_nothing(served: RunningService, data_dir: str) -> None:
    command = ("demo", "--url", served.url, "--json")
    first = json.loads(run_cli(*command, POLYSTORE_DATA_DIR=data_dir).stdout)
    second = json.loads(run_cli(*command, POLYSTORE_DATA_DIR=data_dir).stdout)
    assert (first["created"], first["duplicates"], first["conflicts"]) == (2000, 0, 0)
    assert (second["created"], second["duplicates"], second["conflicts"]) == (0, 2000, 0)
    assert first["labels"]["labelled"] == 1700
    assert sum(first["labels"].values()) == 1729
    assert second["labels"] == {**dict.fromkeys(first["labels"], 0), "unchanged": 1729}
    records = ("user", "post", "item", "product", "order")
    assert [second[name] for name in records] == [first[name] for name in records]
    headers = served.headers
    with httpx2.Client(base_url=f"{served.url}/v1", headers=headers, timeout=10) as client:
        expected = {"users?q=demo": 4, "posts?tag=demo": 4, "products?q=penguin": 4,
                    "items?tag=demo": 3, "orders": 4, "posts?q=species": 1}  # fmt: skip
        assert {path: len(client.get(f"/{path}").json()["items"]) for path in expected} == (
            expected
        )


def test_demo_restores_what_was_deleted_and_recreates_posts(served: RunningService) -> None:
    records = ("users", "posts", "items", "products")
    with httpx2.Client(base_url=served.url, headers=served.headers, timeout=10) as client:
        first = create_records(client)
        paths = [f"/v1/{name}/{first[name.removesuffix('s')]}" for name in records]
        for _ in range(2):  # the second time, the post is one that took the place of another
            for path in reversed(paths):
                client.delete(path).raise_for_status()
            second = create_records(client)
            assert {**second, "post": None} == {**first, "post": None}
            paths[1] = f"/v1/posts/{second['post']}"
            assert [client.get(path).status_code for path in paths] == [200] * 4
        assert create_records(client) == second


def test_demo_restores_what_was_deleted_after_its_key_expired(served: RunningService) -> None:
    body = {"username": "expired", "email": "expired@example.com"}
    with httpx2.Client(base_url=served.url, headers=served.headers, timeout=10) as client:
        made = client.post("/v1/users", json=body).json()["id"]  # without a key, as after a day
        client.delete(f"/v1/users/{made}").raise_for_status()
        assert find_or_create(client, "/v1/users", "username", body, q="expired") == made
        assert client.get(f"/v1/users/{made}").status_code == 200


def test_doctor_served_folder_is_ok_without_passwords(data_dir: str) -> None:
    result = json.loads(run_cli("doctor", "--json", POLYSTORE_DATA_DIR=data_dir).stdout)
    assert result["ok"]
    assert result["postgresql"]["head"] == migrations.expected_head()
    assert result["mongodb"]["drift"] == []
    assert "@127.0.0.1" in result["mongodb"]["url"]
    assert ":" not in result["mongodb"]["url"].removeprefix("mongodb://").partition("@")[0]


def test_token_served_folder_is_accepted_by_the_service(
    served: RunningService, data_dir: str
) -> None:
    result = run_cli("token", POLYSTORE_DATA_DIR=data_dir)
    (token,) = result.stdout.splitlines()
    me = httpx2.get(f"{served.url}/v1/me", headers=bearer(token), timeout=10)
    assert (me.status_code, me.json()["role"]) == (200, "admin")


def test_serve_configured_stores_starts_no_engine(
    engines: StoreUrls, settings: Settings, worker_name: str, tmp_path: Path
) -> None:
    assert settings.database_url is not None
    stores = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "MONGODB_URL": engines.mongodb_url,
        "POLYSTORE_MONGODB_DATABASE": worker_name,
    }
    with running_service(tmp_path, **stores) as service:
        assert "PostgreSQL" not in service.log.read_text()
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"secret"}


def test_listen_second_process_on_the_address_is_refused() -> None:
    """Also while the first has not started to serve."""
    with _listen(Settings(port=0)) as first, pytest.raises(AddressInUse, match="PORT="):
        _listen(Settings(port=first.getsockname()[1]))
