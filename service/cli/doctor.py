"""``polystore doctor``: the state of both stores, the schema, the indexes and the ledger."""

import asyncio
from typing import Any

import typer
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.exit_codes import ExitCode
from mongo_indexes.server import plan
from service.cli.output import AsJson, print_progress, report, report_errors
from service.cli.stores import direct_url, open_stores
from service.relational.accounts.ledger_check import Faults, ledger_faults
from service.settings import Settings
from service.settings.database_url import without_password
from service.stores.embedded import StoreUrls
from service.stores.mongo.client import database_name
from service.stores.sql import migrations
from service.stores.sql.connect import create_engine
from service.stores.sql.schema_check.check import check_schema
from service.stores.sql.schema_check.fresh import TemporaryDatabaseRefused

CONNECT_SECONDS = 5


def doctor(*, as_json: AsJson = False) -> None:
    """Check that both stores respond, schema and indexes are current, and the ledger balances.

    Without CREATEDB the schema is not compared with its migrations; `migrate check` can do so.

    Exit code 0: all is well; 2: it is not; 6: it is, and a newer release has migrated the schema.

    Example: `polystore doctor --json`
    """
    with report_errors(), open_stores(settings := Settings()) as urls:
        direct = urls._replace(database_url=direct_url(settings) or urls.database_url)
        result = examine(direct, database_name(urls.mongodb_url, settings))
        report(result, as_lines(result), as_json=as_json)
        raise typer.Exit(_exit_code(result))


def examine(urls: StoreUrls, database: str) -> dict[str, Any]:
    """Return ``{"postgresql": {"url", "ok", "head", …}, "mongodb": {"url", "ok", …}, "ok"}``."""
    postgresql, mongodb = _postgresql(urls.database_url), _mongodb(urls.mongodb_url, database)
    return {
        "postgresql": postgresql,
        "mongodb": mongodb,
        "ok": postgresql["ok"] and mongodb["ok"],
    }


def _exit_code(result: dict[str, Any]) -> ExitCode:
    if not result["ok"]:
        return ExitCode.DRIFT
    ahead = result["postgresql"]["status"] == migrations.SchemaState.AHEAD
    return ExitCode.AHEAD if ahead else ExitCode.CLEAN


def as_lines(result: dict[str, Any]) -> list[str]:
    """Return the result of ``examine`` as lines for people."""
    sql, mongo = result["postgresql"], result["mongodb"]
    lines = [
        f"PostgreSQL  {_verdict(sql)}  {sql['url']}",
        f"MongoDB     {_verdict(mongo)}  {mongo['url']}",
    ]
    lines += [f"  {store['error']}" for store in (sql, mongo) if "error" in store]
    if sql.get("status") == migrations.SchemaState.AHEAD:
        lines.append(migrations.AHEAD_MESSAGE.format(head=sql["head"]))
    if sql.get("pending"):
        lines += ["`polystore migrate apply` applies:", *_indent(sql["pending"])]
    lines += [
        f"  {fault['count']} {name.replace('_', ' ')}, such as {', '.join(fault['ids'])}"
        for name, fault in sql.get("ledger", {}).items()
        if fault["count"]
    ]
    if sql.get("drift"):
        lines += ["The schema differs; see `polystore migrate check`:", *_indent(sql["drift"])]
    if "not_compared" in sql:
        lines.append(f"  The schema was not compared. {sql['not_compared']}")
    if mongo.get("drift"):
        lines += ["Indexes differ; see `polystore indexes plan`:", *_indent(mongo["drift"])]
    return lines


def _postgresql(url: str) -> dict[str, Any]:
    result: dict[str, Any] = {"url": without_password(url), "ok": False}
    try:
        head = migrations.head_of(url)
        pending = [f"{step.revision} {step.why}" for step in migrations.pending(head)]
    except migrations.MigrationFailed as error:
        return {**result, "error": str(error)}
    state = migrations.state_of(head)
    behind = state is migrations.SchemaState.BEHIND
    result |= {"ok": not behind, "status": state, "head": head, "pending": pending}
    if behind:  # the ledger's tables may not exist yet
        return result
    try:
        result |= _schema(url)
        ledger = asyncio.run(_ledger(url))
    except migrations.MigrationFailed as error:
        return {**result, "ok": False, "error": str(error)}
    except (SQLAlchemyError, OSError) as error:
        message = f"The ledger could not be read ({type(error).__name__})."
        return {**result, "ok": False, "error": message}
    sound = not any(fault["count"] for fault in ledger.values()) and not result["drift"]
    return {**result, "ok": sound, "ledger": ledger}


def _schema(url: str) -> dict[str, Any]:
    """Return ``{"drift": lines}``; ``not_compared`` has the reason if it cannot be found."""
    try:
        return {"drift": [str(change) for change in check_schema(url, log=print_progress).drift]}
    except TemporaryDatabaseRefused as error:
        return {"drift": [], "not_compared": str(error)}


async def _ledger(url: str) -> dict[str, Faults]:
    engine = create_engine(url, connect_seconds=CONNECT_SECONDS, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await ledger_faults(connection)
    finally:
        await engine.dispose()


def _mongodb(url: str, database: str) -> dict[str, Any]:
    result: dict[str, Any] = {"url": without_password(url), "ok": False}
    timeout = CONNECT_SECONDS * 1000
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=timeout) as client:
            steps = plan(client[database], COLLECTIONS)
            server = client.server_info()["version"]
    except PyMongoError as error:
        return {**result, "error": f"MongoDB is not reachable ({type(error).__name__})."}
    drift = [f"{step.kind} {step.target}: {step.reason}" for step in steps]
    return {**result, "ok": not drift, "server": server, "drift": drift}


def _verdict(store: dict[str, Any]) -> str:
    return "ok      " if store["ok"] else "NOT OK  "


def _indent(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
