"""An export over a real socket: cut by its client, the store, or a revoked key."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from service.core.errors import Unavailable
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.export import prediction_pages
from service.main import State
from service.web import permission_recheck
from tests.auth.factories import bearer, create_key, create_user
from tests.documents.predictions.factories import make_events, post_batch
from tests.documents.predictions.live_server import connect, read_chunk, read_head, serving
from tests.documents.predictions.mongo_profiler import profiling
from tests.fixtures.cpu_time import cpu_wait_seconds

PATH = "/v1/predictions/export"
FORMATS = ("ndjson", "csv", "parquet")
EVENTS, PAGE = 1500, 125


async def log_events(client: httpx2.AsyncClient, count: int = EVENTS, size: int = 4000) -> None:
    for _ in range(0, count, 500):
        await post_batch(client, make_events(500, features={"text": "x" * size}))


async def open_export(port: int, query: str = "", **headers: str) -> Any:
    """Send a request for an export; return the connection, before its response is read."""
    reader, writer = await connect(port)
    lines = [f"GET {PATH}?{query} HTTP/1.1", "Host: polystore"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


async def open_cursors(state: State) -> set[int]:
    """Return the ids of open cursors on the database of this test worker."""
    database = state["mongo"].database
    ours = {"$regex": rf"^{database.name}\."}
    stages: list[dict[str, Any]] = [
        {"$currentOp": {"idleCursors": True, "allUsers": True, "localOps": True}},
        {"$match": {"cursor.cursorId": {"$exists": True}, "ns": ours}},
    ]
    operations = await database.client.admin.aggregate(stages).to_list(None)
    return {operation["cursor"]["cursorId"] for operation in operations}


async def wait_until_closed(state: State, before: set[int]) -> None:
    """Wait until the service uses no connection and no cursor that was not open before."""
    async with asyncio.timeout(30):
        while state["mongo"]._in_use or await open_cursors(state) - before:
            await asyncio.sleep(0.02)


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export of half a megabyte per page."""
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, "ndjson", PAGE)


async def test_open_cursors_are_listed(client: httpx2.AsyncClient, state: State) -> None:
    await log_events(client, 500, 1)
    before = await open_cursors(state)
    cursor = state["mongo"].database[PREDICTIONS].find({}, batch_size=2)
    await anext(cursor)
    assert len(await open_cursors(state) - before) == 1
    await cursor.close()
    assert not await open_cursors(state) - before


async def test_export_client_disconnect_stops_reading(
    client: httpx2.AsyncClient, state: State, small_pages: None
) -> None:
    await log_events(client)
    before = await open_cursors(state)
    async with serving(state) as port:
        async with profiling(state) as profile:
            reader, writer = await open_export(port)
            assert await read_head(reader) == 200
            received = 0
            while received < 1_000_000:
                received += len(await read_chunk(reader))
            writer.transport.abort()
            reads = -1
            system_profile = state["mongo"].database["system.profile"]
            while reads != (reads := await system_profile.count_documents({"op": "query"})):
                await asyncio.sleep(0.3)  # a complete export takes less than 0.3 s
        assert len([item for item in profile if item.get("nreturned")]) < EVENTS / PAGE
        await wait_until_closed(state, before)
        whole = await client.get(PATH)
    assert len(whole.content.splitlines()) == EVENTS


async def test_export_between_pages_holds_nothing_open(
    client: httpx2.AsyncClient, state: State, small_pages: None
) -> None:
    """The client reads slowly, so the server waits for it with the next page in memory."""
    await log_events(client)
    before = await open_cursors(state)
    async with serving(state) as port:
        reader, writer = await open_export(port)
        assert await read_head(reader) == 200
        await wait_until_closed(state, before)
        received = [await read_chunk(reader)]
        while received[-1]:
            received.append(await read_chunk(reader))
        writer.close()
    assert len(b"".join(received).splitlines()) == EVENTS


@pytest.mark.parametrize("file_format", FORMATS)
async def test_export_interrupted_is_not_taken_for_complete(
    client: httpx2.AsyncClient, state: State, file_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, file_format, 100)
    original, read = prediction_pages.PredictionPages.next, 0

    async def failing_next(pages: prediction_pages.PredictionPages) -> Any:
        nonlocal read
        read += 1
        if read > 3:
            raise Unavailable("MongoDB is not reachable.")
        return await original(pages)

    await log_events(client, 500)
    monkeypatch.setattr(prediction_pages.PredictionPages, "next", failing_next)
    async with serving(state) as port, httpx2.AsyncClient(timeout=30) as http:
        request = http.get(f"http://127.0.0.1:{port}{PATH}", params={"format": file_format})
        if file_format == "ndjson":
            *rows, last = (await request).content.splitlines()
            assert len(rows) == 300
            assert json.loads(last)["stopped"]["code"] == "unavailable"
        else:
            with pytest.raises(httpx2.RemoteProtocolError):
                await request


async def test_export_ends_when_its_key_is_revoked(
    state: State,
    anonymous_client: httpx2.AsyncClient,
    small_pages: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(permission_recheck, "RECHECK_INTERVAL_SECONDS", 0.0)
    owner = await create_user(state, "admin")
    key = await create_key(state, owner.id, "predictions:read")
    await log_events(with_headers(anonymous_client, owner.headers), size=8000)
    async with serving(state, authenticator=state["authenticator"]) as port:
        reader, writer = await open_export(port, **bearer(key))
        assert await read_head(reader) == 200
        received = await read_chunk(reader)
        revoked = await anonymous_client.delete(f"/v1/api_keys/{key.split('_')[1]}")
        assert revoked.status_code == 204
        while piece := await read_chunk(reader):
            received += piece
        writer.close()
    *rows, last = received.splitlines()
    assert 0 < len(rows) < EVENTS
    assert json.loads(last)["stopped"]["code"] == "invalid_token"


def with_headers(client: httpx2.AsyncClient, headers: dict[str, str]) -> httpx2.AsyncClient:
    client.headers.update(headers)
    return client


async def test_export_running_keeps_the_event_loop_responsive(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Many values are the most work: 200 events of 500 numbers."""
    features = {f"f{index}": index / 7 for index in range(500)}
    await post_batch(client, make_events(200, features=features))
    assert await state["mongo"].database[PREDICTIONS].estimated_document_count() == 200
    loop = asyncio.get_running_loop()
    delays: list[float] = []

    async def watch() -> None:
        while True:
            due = loop.time() + 0.001 - cpu_wait_seconds()
            await asyncio.sleep(0.001)
            delays.append(loop.time() - due - cpu_wait_seconds())

    async with serving(state) as port, httpx2.AsyncClient(timeout=30) as http:
        watching = asyncio.create_task(watch())
        for file_format in FORMATS:
            url = f"http://127.0.0.1:{port}{PATH}?format={file_format}"
            assert (await http.get(url)).status_code == 200
        watching.cancel()
    delays.sort()
    assert delays[int(len(delays) * 0.95)] < 0.05, delays[-10:]
