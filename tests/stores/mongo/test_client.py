"""The client of MongoDB: options, translation of errors, slots and deadlines."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import motor.frameworks.asyncio as motor_asyncio
import pytest
from bson.errors import InvalidDocument
from bson.int64 import Int64
from pydantic import SecretStr
from pymongo import ReadPreference
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WriteError,
)
from uuid_utils.compat import uuid7

from service.core.errors import Conflict, OutcomeUnknown, ServiceError, Unavailable
from service.main import State
from service.stores.mongo.client import MongoStore, list_indexes, now, open_mongo
from service.stores.mongo.errors import translate_mongo_error, violated_index


@asynccontextmanager
async def open_store(
    state: State, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[MongoStore]:
    """A second client in the process; the session's client keeps its threads."""
    monkeypatch.setattr(motor_asyncio, "_EXECUTOR", motor_asyncio._EXECUTOR)
    async with open_mongo(state["settings"].model_copy(update=settings)) as store:
        yield store


async def test_database_concerns_are_majority_and_journaled(state: State) -> None:
    database = state["mongo"].database
    assert database.write_concern.document == {"w": "majority", "j": True}
    assert database.read_concern.level == "majority"
    assert database["items"].write_concern == database.write_concern


async def test_database_reads_the_primary_with_any_url(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = state["settings"].mongodb_url
    assert url is not None
    joined = "&" if "?" in url.get_secret_value() else "/?"
    secondary = SecretStr(f"{url.get_secret_value()}{joined}readPreference=secondary")
    async with open_store(state, monkeypatch, mongodb_url=secondary) as store:
        assert store.database["items"].read_preference == ReadPreference.PRIMARY


async def test_database_values_round_trip_unchanged(state: State, reset_stores: None) -> None:
    scratch = state["mongo"].database["scratch"]
    document = {"_id": uuid7(), "at": now(), "n": 2**63 - 1}
    await scratch.insert_one(document)
    assert await scratch.find_one() == document


async def test_database_date_after_year_9999_is_read_as_9999(
    state: State, reset_stores: None
) -> None:
    scratch = state["mongo"].database["scratch"]
    date = {"$convert": {"input": Int64(2**60), "to": "date"}}
    await scratch.insert_one({"_id": 1})
    await scratch.update_one({}, [{"$set": {"at": date}}])
    stored = await scratch.find_one()
    assert stored is not None
    assert stored["at"].year == 9999


def test_now_is_cut_to_milliseconds() -> None:
    moment = now()
    assert moment.microsecond % 1000 == 0
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=1)


def bulk_error(
    *, write_code: int | None = None, write_concern_code: int | None = None
) -> BulkWriteError:
    """Make the error of a bulk write of which one write, or the wait for a majority, failed."""
    failed, waited = (
        [] if code is None else [{"index": 0, "code": code, "errmsg": "x"}]
        for code in (write_code, write_concern_code)
    )
    return BulkWriteError({"writeErrors": failed, "writeConcernErrors": waited})


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DuplicateKeyError("x", 11000, {"errmsg": "index: unknown dup key"}), 409, "conflict"),
        (
            DuplicateKeyError("x", 11000, {"errmsg": "E11000 index: uq_items_idempotency_key dup"}),
            409,
            "idempotency_key_used",
        ),
        (ExecutionTimeout("x", 50, {"codeName": "MaxTimeMSExpired"}), 504, "query_timeout"),
        (ExecutionTimeout("x", 50, {"ok": 0, "code": 50}), 503, "outcome_unknown"),
        (bulk_error(write_code=11602), 503, "outcome_unknown"),
        (bulk_error(write_concern_code=91), 503, "outcome_unknown"),
        (ServerSelectionTimeoutError("x"), 503, "unavailable"),
        (AutoReconnect("x"), 503, "outcome_unknown"),
        (NotPrimaryError("x"), 503, "outcome_unknown"),
        (WriteConcernError("x", 64), 503, "outcome_unknown"),
        (OperationFailure("x", 11600), 503, "unavailable"),
        (OperationFailure("x", 134), 503, "unavailable"),
        (OperationFailure("x", 18), 503, "unavailable"),
        (OperationFailure("x", 14031), 503, "store_full"),
        (WriteError("x", 14031), 503, "store_full"),
        (WriteError("x", 2), 503, "outcome_unknown"),
        (bulk_error(write_code=14031), 503, "outcome_unknown"),
        (WriteError("x", 121), 422, "document_refused"),
        (InvalidDocument("x"), 422, "document_refused"),
        (OverflowError("x"), 422, "document_refused"),
    ],
)
def test_translate_driver_error_gives_status_and_code(
    error: Exception, status: int, code: str
) -> None:
    translated = translate_mongo_error(error)
    assert translated is not None
    assert (translated.status, translated.code) == (status, code)
    assert translated.message != "x"


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), ValueError("x"), OperationFailure("x", 2)],
)
def test_translate_other_error_gives_none(error: Exception) -> None:
    assert translate_mongo_error(error) is None


async def test_violated_index_is_named_by_the_server(state: State, reset_stores: None) -> None:
    scratch = state["mongo"].database["scratch"]
    await scratch.create_index("a", unique=True, name="uq_scratch_a")
    await scratch.insert_one({"a": 1})
    with pytest.raises(DuplicateKeyError) as raised:
        await scratch.insert_one({"a": 1})
    assert violated_index(raised.value.details or {}) == "uq_scratch_a"
    assert isinstance(translate_mongo_error(raised.value), Conflict)
    names = {index["name"] for index in await list_indexes(scratch)}
    assert names == {"_id_", "uq_scratch_a"}
    assert await list_indexes(state["mongo"].database["nothing"]) == []
    await scratch.drop()


async def test_call_without_a_mongod_fails_in_time(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = SecretStr(f"mongodb://127.0.0.1:{free.getsockname()[1]}/?directConnection=true")
    settings = {"mongodb_url": url, "mongo_operation_seconds": 0.2}
    async with open_store(state, monkeypatch, **settings) as store:
        began = time.monotonic()
        with pytest.raises(Unavailable) as raised:
            await store.call(store.database["x"].find_one, writes=False)
        assert time.monotonic() - began < 10  # long before the deadline of 20 s
        assert raised.value.code == "unavailable"


@pytest.mark.parametrize(("writes", "kind"), [(True, OutcomeUnknown), (False, Unavailable)])
async def test_call_that_hangs_fails_at_the_deadline(
    state: State, monkeypatch: pytest.MonkeyPatch, *, writes: bool, kind: type[ServiceError]
) -> None:
    async with open_store(state, monkeypatch, mongo_deadline_seconds=0.05) as store:
        release = asyncio.Event()
        with pytest.raises(ServiceError) as raised:
            await store.call(release.wait, writes=writes)
        assert type(raised.value) is kind
        release.set()


async def test_call_without_a_free_slot_is_busy(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, running = asyncio.Event(), 0

    async def work() -> None:
        nonlocal running
        running += 1
        await release.wait()

    settings = {"mongo_max_pool_size": 2, "mongo_place_seconds": 0.05}
    async with open_store(state, monkeypatch, **settings) as store:
        calls = [asyncio.create_task(store.call(work, writes=False)) for _ in range(2)]
        while running < 2:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable) as raised:
            await store.call(work, writes=False)
        assert (raised.value.code, running) == ("busy", 2)
        release.set()
        await asyncio.gather(*calls)
        await store.call(work, writes=False)
        assert running == 3
