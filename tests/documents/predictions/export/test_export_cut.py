"""An export over a real socket: cut by its client, by the store, or by the loss of its right."""

import asyncio
import json
from typing import Any

import httpx2
import pytest

from service.core.errors import Unavailable
from service.documents.predictions import stream_permission as still
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.export import prediction_pages
from service.main import State
from tests.auth.factories import bearer, create_user, key_of
from tests.documents.predictions.factories import make_events, post_batch
from tests.documents.predictions.live_server import connect, read_chunk, read_head, serving
from tests.documents.predictions.mongo_profiler import profiling
from tests.fixtures.cpu_time import cpu_wait_seconds

PATH = "/v1/predictions/export"
FORMATS = ("ndjson", "csv", "parquet")
EVENTS = 6000


async def many(client: httpx2.AsyncClient, count: int = EVENTS, size: int = 1000) -> None:
    for _ in range(0, count, 500):
        await post_batch(client, make_events(500, features={"text": "x" * size}))


async def begun(port: int, query: str = "", **headers: str) -> Any:
    """A request for an export, and its answer to be read."""
    reader, writer = await connect(port)
    lines = [f"GET {PATH}?{query} HTTP/1.1", "Host: polystore"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return reader, writer


async def open_cursors(state: State) -> set[int]:
    """Those of this worker's database: the server has those of others as well."""
    database = state["mongo"].database
    ours = {"$regex": rf"^{database.name}\."}
    stages: list[dict[str, Any]] = [
        {"$currentOp": {"idleCursors": True, "allUsers": True, "localOps": True}},
        {"$match": {"cursor.cursorId": {"$exists": True}, "ns": ours}},
    ]
    found = await database.client.admin.aggregate(stages).to_list(None)
    return {each["cursor"]["cursorId"] for each in found}


async def nothing_is_open(state: State, before: set[int]) -> None:
    """Waits until nothing is that was not before; other work of the service may be being done."""
    async with asyncio.timeout(30):
        while state["mongo"]._in_use or await open_cursors(state) - before:
            await asyncio.sleep(0.02)


async def test_open_cursors_are_seen(client: httpx2.AsyncClient, state: State) -> None:
    await many(client, 500, 1)
    before = await open_cursors(state)
    cursor = state["mongo"].database[PREDICTIONS].find({}, batch_size=2)
    await anext(cursor)
    assert len(await open_cursors(state) - before) == 1
    await cursor.close()
    assert not await open_cursors(state) - before


async def test_a_client_that_leaves_is_read_for_no_more(
    client: httpx2.AsyncClient, state: State
) -> None:
    await many(client)
    before = await open_cursors(state)
    async with serving(state) as port:
        async with profiling(state) as profile:
            reader, writer = await begun(port)
            assert await read_head(reader) == 200
            taken = 0
            while taken < 1_000_000:
                taken += len(await read_chunk(reader))
            writer.transport.abort()
            reads = -1
            seen = state["mongo"].database["system.profile"]
            while reads != (reads := await seen.count_documents({"op": "query"})):
                await asyncio.sleep(0.3)  # no read in 0.3 s, in which a whole file is written
        assert len([each for each in profile if each.get("nreturned")]) < EVENTS / 500
        await nothing_is_open(state, before)
        whole = await client.get(PATH)
    assert len(whole.content.splitlines()) == EVENTS


async def test_between_two_pages_nothing_is_open_in_the_store(
    client: httpx2.AsyncClient, state: State
) -> None:
    """The client takes its time: the server waits for it with the next page in its hands."""
    await many(client)
    before = await open_cursors(state)
    async with serving(state) as port:
        reader, writer = await begun(port)
        assert await read_head(reader) == 200
        await nothing_is_open(state, before)
        taken = [await read_chunk(reader)]
        while taken[-1]:
            taken.append(await read_chunk(reader))
        writer.close()
    assert len(b"".join(taken).splitlines()) == EVENTS


@pytest.mark.parametrize("kind", FORMATS)
async def test_what_is_not_whole_is_not_taken_for_it(
    client: httpx2.AsyncClient, state: State, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(prediction_pages.PAGE_SIZES, kind, 100)
    works, read = prediction_pages.PredictionPages.next, 0

    async def fails(pages: prediction_pages.PredictionPages) -> Any:
        nonlocal read
        read += 1
        if read > 3:
            raise Unavailable("MongoDB is not reachable.")
        return await works(pages)

    await many(client, 500)
    monkeypatch.setattr(prediction_pages.PredictionPages, "next", fails)
    async with serving(state) as port, httpx2.AsyncClient(timeout=30) as speaking:
        asked = speaking.get(f"http://127.0.0.1:{port}{PATH}", params={"format": kind})
        if kind == "ndjson":
            *rows, last = (await asked).content.splitlines()
            assert len(rows) == 300
            assert json.loads(last)["stopped"]["code"] == "unavailable"
        else:
            with pytest.raises(httpx2.RemoteProtocolError):
                await asked


async def test_an_export_ends_with_its_key(
    state: State, anonymous_client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(still, "SECONDS_BETWEEN_CHECKS", 0.0)
    owner = await create_user(state, "admin")
    key = await key_of(state, owner.id, "predictions:read")
    await many(_as(anonymous_client, owner.headers), 6000, 2000)
    async with serving(state, authenticator=state["authenticator"]) as port:
        reader, writer = await begun(port, **bearer(key))
        assert await read_head(reader) == 200
        found = await read_chunk(reader)
        revoked = await anonymous_client.delete(f"/v1/api_keys/{key.split('_')[1]}")
        assert revoked.status_code == 204
        while piece := await read_chunk(reader):
            found += piece
        writer.close()
    *rows, last = found.splitlines()
    assert 0 < len(rows) < 6000
    assert json.loads(last)["stopped"]["code"] == "invalid_token"


def _as(client: httpx2.AsyncClient, headers: dict[str, str]) -> httpx2.AsyncClient:
    client.headers.update(headers)
    return client


async def test_others_are_answered_while_an_export_runs(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Features of many values are the most work: 600 events of 500 numbers."""
    wide = {f"f{place}": place / 7 for place in range(500)}
    for _ in range(3):
        await post_batch(client, make_events(200, features=wide))
    assert await state["mongo"].database[PREDICTIONS].estimated_document_count() == 600
    loop = asyncio.get_running_loop()
    late: list[float] = []

    async def watch() -> None:
        while True:
            due = loop.time() + 0.001 - cpu_wait_seconds()
            await asyncio.sleep(0.001)
            late.append(loop.time() - due - cpu_wait_seconds())

    async with serving(state) as port, httpx2.AsyncClient(timeout=30) as speaking:
        watching = asyncio.create_task(watch())
        for kind in FORMATS:
            url = f"http://127.0.0.1:{port}{PATH}?format={kind}"
            assert (await speaking.get(url)).status_code == 200
        watching.cancel()
    late.sort()
    assert late[int(len(late) * 0.95)] < 0.05, late[-10:]
