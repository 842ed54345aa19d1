"""``polystore doctor``: one look at everything an operator would look at."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.server import plan
from service.relational.accounts.ledger_check import Faults, ledger_faults
from service.stores.embedded import StoreUrls
from service.stores.sql import migrations as migrate


def examine(urls: StoreUrls, database: str) -> dict[str, Any]:
    """``{"postgresql": {"url", "ok", "head", …}, "mongodb": {"url", "ok", "drift", …}, "ok"}``."""
    postgresql, mongodb = _postgresql(urls.database_url), _mongodb(urls.mongodb_url, database)
    return {
        "postgresql": postgresql,
        "mongodb": mongodb,
        "ok": postgresql["ok"] and mongodb["ok"],
    }


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return f"{parts.scheme}://{user}{host}{parts.path}"


def _postgresql(url: str) -> dict[str, Any]:
    found: dict[str, Any] = {"url": without_password(url), "ok": False}
    try:
        head = migrate.head_of(url)
        behind = [f"{step.revision} {step.why}" for step in migrate.pending(head)]
    except migrate.MigrationFailed as error:
        return {**found, "error": str(error)}
    found |= {"ok": not behind, "head": head, "pending": behind}
    if behind:  # and so perhaps without a ledger
        return found
    try:
        ledger = asyncio.run(_ledger(url))
    except (SQLAlchemyError, OSError) as error:
        return {**found, "ok": False, "error": f"The ledger is unread ({type(error).__name__})."}
    return {**found, "ok": not any(each["count"] for each in ledger.values()), "ledger": ledger}


async def _ledger(url: str) -> dict[str, Faults]:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": 5})
    try:
        async with engine.connect() as connection:
            return await ledger_faults(connection)
    finally:
        await engine.dispose()


def _mongodb(url: str, database: str) -> dict[str, Any]:
    found: dict[str, Any] = {"url": without_password(url), "ok": False}
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=5000) as client:
            steps = plan(client[database], COLLECTIONS)
            server = client.server_info()["version"]
    except PyMongoError as error:
        return {**found, "error": f"MongoDB is not reachable ({type(error).__name__})."}
    drift = [f"{step.kind} {step.target}: {step.reason}" for step in steps]
    return {**found, "ok": not drift, "server": server, "drift": drift}


def as_lines(found: dict[str, Any]) -> list[str]:
    """The findings for people."""
    sql, mongo = found["postgresql"], found["mongodb"]
    lines = [
        f"PostgreSQL  {_verdict(sql)}  {sql['url']}",
        f"MongoDB     {_verdict(mongo)}  {mongo['url']}",
    ]
    lines += [f"  {each['error']}" for each in (sql, mongo) if "error" in each]
    if sql.get("pending"):
        lines += [
            "The schema is behind; `polystore migrate apply` brings:",
            *_indented(sql["pending"]),
        ]
    lines += [
        f"  {each['count']} {what.replace('_', ' ')}, such as {', '.join(each['ids'])}"
        for what, each in sql.get("ledger", {}).items()
        if each["count"]
    ]
    if mongo.get("drift"):
        lines += ["Indexes differ; `polystore indexes plan` says more:", *_indented(mongo["drift"])]
    return lines


def _verdict(store: dict[str, Any]) -> str:
    return "ok      " if store["ok"] else "NOT OK  "


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]
