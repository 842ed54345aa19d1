"""Connections to a real PostgreSQL that takes TLS alone, by URLs of managed services."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
import trustme
from pydantic import SecretStr
from sqlalchemy import text

from service.core.errors import Unavailable
from service.settings import Settings
from service.stores.embedded import StoreUrls
from service.stores.sql.connect import ConnectFailed, create_engine
from service.stores.sql.engine import open_sql
from service.stores.sql.migrations import MigrationFailed, head_of
from tests.fixtures.tls_proxy import TlsProxy


@pytest.fixture(scope="module")
async def server(
    engines: StoreUrls, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[TlsProxy]:
    port = urlsplit(engines.database_url).port
    assert port is not None
    proxy = TlsProxy(port, tmp_path_factory.mktemp("tls"))
    async with proxy.serving():
        yield proxy


@pytest.fixture
def password(engines: StoreUrls) -> str:
    return str(urlsplit(engines.database_url).password)


class MakeUrl(Protocol):
    """Makes a URL of the server from its query."""

    def __call__(
        self, query: str, *, hosts: str = ..., password: str = ..., name: str = ...
    ) -> str: ...


@pytest.fixture
def url_with(server: TlsProxy, password: str) -> MakeUrl:
    right, address = password, f"127.0.0.1:{server.port}"

    def make(query: str, *, hosts: str = "", password: str = "", name: str = "polystore") -> str:
        hosts = hosts.replace("{server}", address) or address
        query = query.replace("{authority}", str(server.authority))
        return f"postgresql://polystore:{password or right}@{hosts}/{name}?{query}"

    return make


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def refusing() -> str:
    """A host where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


async def answer(url: str, query: str, **options: Any) -> Any:
    engine = create_engine(url, **{"connect_seconds": 20.0, **options})
    try:
        async with engine.connect() as connection:
            return await connection.scalar(text(query))
    finally:
        await engine.dispose()


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require",
        "sslmode=require&channel_binding=prefer&connect_timeout=10&keepalives=1",
        "sslmode=verify-ca&sslrootcert={authority}",
        "sslmode=verify-full&sslrootcert={authority}",
        "ssl=require",
        "target_session_attrs=read-write",
        "",
    ],
)
async def test_create_engine_url_of_a_managed_service_connects(
    query: str, url_with: MakeUrl
) -> None:
    assert await answer(url_with(query), "SELECT 1") == 1


@pytest.mark.parametrize(
    ("query", "setting", "expected"),
    [
        ("application_name=shop", "application_name", "shop"),
        ("fallback_application_name=shop", "application_name", "shop"),
        ("options=-csearch_path%3Dshop%20-cwork_mem%3D5MB", "work_mem", "5MB"),
        ("statement_timeout=7s", "statement_timeout", "7s"),
        ("options=--statement-timeout%3D6s", "statement_timeout", "6s"),
        ("options=-c%20statement_timeout%3D5s", "statement_timeout", "5s"),
        ("", "statement_timeout", "9s"),
    ],
)
async def test_create_engine_settings_in_the_url_precede_ours(
    query: str, setting: str, expected: str, url_with: MakeUrl
) -> None:
    ours = {"application_name": "polystore", "statement_timeout": "9s"}
    url = url_with(query)
    assert await answer(url, f"SHOW {setting}", server_settings=ours) == expected


async def test_create_engine_host_that_refuses_or_hangs_is_passed_over(
    url_with: MakeUrl, refusing: str, silent: str
) -> None:
    url = url_with("connect_timeout=1", hosts=f"{refusing},{silent},{{server}}")
    assert await answer(url, "SELECT 1") == 1


FAILURES = {
    "no TLS": ("sslmode=disable", {}, "connection"),
    "name of another host": ("sslmode=verify-full&sslrootcert={other}", {}, "CERTIFICATE_VERIFY"),
    "no root certificate": ("sslmode=verify-full", {}, "root certificate"),
    "setting unknown": ("no_such_setting=1", {}, "no_such_setting"),
    "value unknown": ("statement_timeout=sesame", {}, "statement_timeout"),
    "password": ("", {"password": "sesame"}, "password authentication failed"),
    "database": ("", {"name": "nowhere"}, "does not exist"),
    "host": ("", {"hosts": "host.invalid:1"}, "ame"),
    "standby wanted": ("target_session_attrs=standby", {}, "target_session_attrs"),
}


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES.keys())
async def test_connect_any_failure_is_unavailable_and_explained(
    case: tuple[str, dict[str, str], str], url_with: MakeUrl, password: str, tmp_path: Path
) -> None:
    query, options, reason = case
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    url = url_with(query.format(other=tmp_path / "other.pem"), **options)
    with pytest.raises(ConnectFailed, match=reason) as failure:
        await answer(url, "SELECT 1")
    assert password not in str(failure.value)
    settings = Settings(database_url=SecretStr(url), sql_connect_seconds=1.5)
    async with open_sql(settings) as sql:
        with pytest.raises(Unavailable):
            await sql.run(lambda session: session.scalar(text("SELECT 1")), writes=False)


async def test_head_of_failed_connection_names_the_reason(url_with: MakeUrl) -> None:
    with pytest.raises(MigrationFailed, match="password authentication failed") as failure:
        await asyncio.to_thread(head_of, url_with("", password="sesame"))
    assert "sesame" not in str(failure.value)
