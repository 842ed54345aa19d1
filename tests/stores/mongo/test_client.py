"""MongoDB: how it is opened, what its errors mean, and that no request waits longer than it may."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import motor.frameworks.asyncio as motor_threads
import pytest
from bson.errors import InvalidDocument
from bson.int64 import Int64
from pydantic import SecretStr
from pymongo.errors import (
    AutoReconnect,
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
async def opened(
    state: State, monkeypatch: pytest.MonkeyPatch, **settings: Any
) -> AsyncIterator[MongoStore]:
    """Another client beside the one of the session, whose threads it must not take away."""
    monkeypatch.setattr(motor_threads, "_EXECUTOR", motor_threads._EXECUTOR)
    async with open_mongo(state["settings"].model_copy(update=settings)) as mongo:
        yield mongo


async def test_writes_are_durable_and_reads_see_only_what_stays(state: State) -> None:
    database = state["mongo"].database
    assert database.write_concern.document == {"w": "majority", "j": True}
    assert database.read_concern.level == "majority"
    assert database["items"].write_concern == database.write_concern


async def test_values_come_back_as_they_were_kept(state: State, reset_stores: None) -> None:
    scratch = state["mongo"].database["scratch"]
    document = {"_id": uuid7(), "at": now(), "n": 2**63 - 1}
    await scratch.insert_one(document)
    assert await scratch.find_one() == document


async def test_a_time_beyond_python_can_still_be_read(state: State, reset_stores: None) -> None:
    scratch = state["mongo"].database["scratch"]
    far = {"$convert": {"input": Int64(2**60), "to": "date"}}
    await scratch.insert_one({"_id": 1})
    await scratch.update_one({}, [{"$set": {"at": far}}])
    found = await scratch.find_one()
    assert found is not None
    assert found["at"].year == 9999


def test_now_has_the_milliseconds_bson_keeps() -> None:
    moment = now()
    assert moment.microsecond % 1000 == 0
    assert abs(moment - datetime.now(UTC)) < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DuplicateKeyError("x", 11000, {"errmsg": "index: nobodys dup key"}), 409, "conflict"),
        (
            DuplicateKeyError("x", 11000, {"errmsg": "E11000 index: uq_items_idempotency_key dup"}),
            409,
            "idempotency_key_used",
        ),
        (ExecutionTimeout("x", 50), 504, "query_timeout"),
        (ServerSelectionTimeoutError("x"), 503, "unavailable"),
        (AutoReconnect("x"), 503, "outcome_unknown"),
        (NotPrimaryError("x"), 503, "outcome_unknown"),
        (WriteConcernError("x", 64), 503, "outcome_unknown"),
        (OperationFailure("x", 11600), 503, "unavailable"),
        (OperationFailure("x", 18), 503, "unavailable"),
        (WriteError("x", 121), 422, "document_refused"),
        (InvalidDocument("x"), 422, "document_refused"),
        (OverflowError("x"), 422, "document_refused"),
    ],
)
def test_what_a_driver_error_means_to_a_client(error: Exception, status: int, code: str) -> None:
    refusal = translate_mongo_error(error)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (status, code)
    assert refusal.message != "x"


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), OperationFailure("x", 2)])
def test_what_is_not_about_the_store_stays_what_it_is(error: Exception) -> None:
    assert translate_mongo_error(error) is None


async def test_a_violated_index_is_known_by_its_name(state: State, reset_stores: None) -> None:
    scratch = state["mongo"].database["scratch"]
    await scratch.create_index("a", unique=True, name="uq_scratch_a")
    await scratch.insert_one({"a": 1})
    with pytest.raises(DuplicateKeyError) as found:
        await scratch.insert_one({"a": 1})
    assert violated_index(found.value.details or {}) == "uq_scratch_a"
    assert isinstance(translate_mongo_error(found.value), Conflict)
    names = {index["name"] for index in await list_indexes(scratch)}
    assert names == {"_id_", "uq_scratch_a"}
    assert await list_indexes(state["mongo"].database["nothing"]) == []
    await scratch.drop()


async def test_without_a_mongod_it_opens_and_says_so_in_time(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = SecretStr(f"mongodb://127.0.0.1:{free.getsockname()[1]}/?directConnection=true")
    away = {"mongodb_url": url, "mongo_operation_seconds": 0.2}
    async with opened(state, monkeypatch, **away) as mongo:
        began = time.monotonic()
        with pytest.raises(Unavailable) as refused:
            await mongo.call(mongo.database["x"].find_one, writes=False)
        assert time.monotonic() - began < 10  # and not when those give up who wait for 20
        assert refused.value.code == "unavailable"


@pytest.mark.parametrize(("writes", "kind"), [(True, OutcomeUnknown), (False, Unavailable)])
async def test_a_call_that_hangs_is_answered_at_the_deadline(
    state: State, monkeypatch: pytest.MonkeyPatch, *, writes: bool, kind: type[ServiceError]
) -> None:
    async with opened(state, monkeypatch, mongo_deadline_seconds=0.05) as mongo:
        release = asyncio.Event()
        with pytest.raises(ServiceError) as refused:
            await mongo.call(release.wait, writes=writes)
        assert type(refused.value) is kind
        release.set()


async def test_no_more_requests_work_at_once_than_there_are_connections(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, at_once = asyncio.Event(), 0

    async def work() -> None:
        nonlocal at_once
        at_once += 1
        await release.wait()

    few = {"mongo_max_pool_size": 2, "mongo_place_seconds": 0.05}
    async with opened(state, monkeypatch, **few) as mongo:
        running = [asyncio.create_task(mongo.call(work, writes=False)) for _ in range(2)]
        while at_once < 2:
            await asyncio.sleep(0)
        with pytest.raises(Unavailable) as refused:
            await mongo.call(work, writes=False)
        assert (refused.value.code, at_once) == ("busy", 2)
        release.set()
        await asyncio.gather(*running)
        await mongo.call(work, writes=False)
        assert at_once == 3
