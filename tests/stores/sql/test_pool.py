"""POLYSTORE_SQL_ECHO: each statement is a line of the log, and no value is."""

import json
import logging

import pytest
from sqlalchemy import bindparam, select

from service.core.logging import configure_logging
from service.relational.users.tables import User
from service.settings import Settings
from service.stores.sql.engine import open_sql
from service.stores.sql.fast_read import PreparedQuery, fetch
from service.stores.sql.pool import SQL_LOGGER

BY_NAME = select(User.username).where(User.username == bindparam("name"))


@pytest.mark.parametrize("echo", [True, False])
async def test_sql_echo_logs_statements_without_values(
    echo: bool, settings: Settings, reset_stores: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level="INFO", as_json=True, loggers=(SQL_LOGGER,))
    logging.getLogger(SQL_LOGGER).setLevel(logging.NOTSET)
    async with open_sql(settings.model_copy(update={"sql_echo": echo})) as sql:
        deadline = sql.breaker.deadline()
        async with sql.transaction(deadline) as session:
            await session.execute(BY_NAME, {"name": "sesame"})
        prepared = PreparedQuery(BY_NAME)
        async with sql.reading(deadline) as session:
            await fetch(session, prepared, {"name": "sesame"})
    output = capsys.readouterr().out
    assert "sesame" not in output
    entries = [json.loads(line) for line in output.splitlines()]
    statements = [entry["event"] for entry in entries if entry.get("logger") == SQL_LOGGER]
    assert sum("FROM users WHERE" in statement for statement in statements) == 2 * echo
    assert ("COMMIT" in statements) is echo
