"""Engines of SQLAlchemy whose connections asyncpg opens itself, from a URL of libpq's form.

SQLAlchemy's own URLs have no ``sslmode``, no ``options`` and no list of hosts.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
from asyncpg.exceptions import TargetServerAttributeNotMatched
from sqlalchemy import event
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from service.settings.database_url import parse_database_url

# ``-c name=value`` and ``--name=value``, as in PostgreSQL's command line.
_OPTION = re.compile(r"(?:-c\s*|--)([\w.-]+)=")
PREPARED_STATEMENTS = 100
"""Statements that SQLAlchemy and asyncpg each keep prepared per connection; their defaults."""


class ConnectFailed(ConnectionError):
    """No connection came about, whatever the reason; the text is for operators."""


def create_engine(
    url: str,
    *,
    connect_seconds: float,
    command_seconds: float | None = None,
    server_settings: Mapping[str, str] | None = None,
    through_pgbouncer: bool = False,
    prepared_statements: int = PREPARED_STATEMENTS,
    **options: Any,
) -> AsyncEngine:
    """Create an engine; it connects at first use.

    Args:
        url: a URL of libpq's form; its ``connect_timeout`` and its settings of the server precede
            ``connect_seconds`` and ``server_settings``.
        connect_seconds: maximum wait for a new connection.
        command_seconds: the driver's limit of a statement.
        server_settings: settings of PostgreSQL for each connection.
        through_pgbouncer: PgBouncer in transaction mode is in between. It gives each transaction
            another connection, so that statements have no names, and it refuses settings.
        prepared_statements: how many SQLAlchemy keeps.
        options: of ``create_async_engine``.

    Raises:
        BadDatabaseUrl: the URL cannot be used.
    """
    dsns, url_seconds = parse_database_url(url)
    arguments: dict[str, Any] = {
        "timeout": url_seconds or connect_seconds,
        "command_timeout": command_seconds,
    }
    cache: dict[str, Any] = {"prepared_statement_cache_size": prepared_statements}
    if through_pgbouncer:
        # An unnamed statement is parsed again together with its execution.
        cache = {
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
        }
        arguments["statement_cache_size"] = 0
    else:
        arguments["server_settings"] = _without(server_settings or {}, dsns[0])

    async def connect() -> asyncpg.Connection:
        errors = []
        for dsn in dsns:
            try:
                return await asyncpg.connect(dsn, **arguments)
            except Exception as error:  # the next host may answer
                errors.append(error)
        raise ConnectFailed("; ".join(dict.fromkeys(map(_reason, errors)))) from errors[-1]

    def do_connect(
        dialect: Dialect, _record: ConnectionPoolEntry, _args: object, _params: object
    ) -> Any:
        return dialect.connect(async_creator_fn=connect, **cache)

    # Values must not appear in errors and logs.
    engine = create_async_engine("postgresql+asyncpg://", hide_parameters=True, **options)
    event.listen(engine.sync_engine, "do_connect", do_connect)
    return engine


def _without(server_settings: Mapping[str, str], dsn: str) -> dict[str, str]:
    """Return the settings that the URL does not have; asyncpg would let them replace its own."""
    parameters = dict(parse_qsl(dsn.partition("?")[2]))
    in_options = _OPTION.findall(parameters.get("options", ""))
    in_url = {name.lower().replace("-", "_") for name in (*parameters, *in_options)}
    return {name: value for name, value in server_settings.items() if name not in in_url}


def _reason(error: Exception) -> str:
    """Return the error's text if it comes from the server, the network or TLS; else its kind.

    Their texts name users, databases and hosts, and no password.
    """
    if isinstance(error, asyncpg.PostgresError | asyncpg.ClientConfigurationError):
        return f"{error}".splitlines()[0]
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, TargetServerAttributeNotMatched):
        return "the server is not what target_session_attrs asks for"
    return str(error) if isinstance(error, OSError) else type(error).__name__
