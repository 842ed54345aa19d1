"""Tails: no event is missed or repeated, and every tail ends at some time."""

import asyncio
import contextlib
import json
import math
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.documents.predictions.tail.resume_tokens import ResumeTokens
from service.main import State
from service.stores.mongo import change_streams as change_streams_module
from service.stores.mongo.change_streams import open_change_streams
from service.stores.mongo.client import open_mongo
from service.web import permission_recheck, streaming
from tests.auth.factories import bearer, create_key, create_user
from tests.documents.predictions.factories import JSON, make_event, make_events, post_batch
from tests.documents.predictions.live_server import serving
from tests.documents.predictions.sse_client import TAIL, TailConnection, open_tail
from tests.fixtures.client import client_as

pytestmark = pytest.mark.usefixtures("reset_stores", "no_tails_left")


async def wait_until_no_tails(state: Any) -> None:
    """Wait until every slot of a tail is free."""
    async with asyncio.timeout(30):
        while state["change_streams"].in_use:
            await asyncio.sleep(0.01)


@pytest.fixture
async def no_tails_left(state: State, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Start the next test with every slot free; a tail notices soon that it has no client."""
    monkeypatch.setattr(change_streams_module, "AWAIT_SECONDS", 0.1)
    yield
    await wait_until_no_tails(state)


async def test_tail_event_equals_the_list_item(client: httpx2.AsyncClient, state: State) -> None:
    await post_batch(client, make_events(3))
    async with serving(state) as port, open_tail(port) as tail:
        event = make_event(features={"text": "a\nb\rc\u2028"}, tags={"a": "b"})
        await post_batch(client, [event])
        sent = await tail.next()
    assert sent is not None
    listed = (await client.get("/v1/predictions", params={"limit": 200})).json()["items"]
    assert [sent.data] == [
        item for item in listed if item["prediction_id"] == event["prediction_id"]
    ]
    await wait_until_no_tails(state)


@pytest.mark.parametrize(
    "query",
    [
        {"model": "fraud"},
        {"version": "2"},
        {"status": "error"},
        {"model": "fraud", "version": "2", "status": "error"},
        {"model": "$exists"},
    ],
    ids=str,
)
async def test_tail_filter_passes_matching_events_only(
    client: httpx2.AsyncClient, state: State, query: dict[str, str]
) -> None:
    variants = [
        {"model": model, "version": version, "status": status}
        for model in ("churn", "fraud")
        for version in ("1", "2")
        for status in ("ok", "error")
    ]
    events = [make_event(**variant) for variant in variants * 4]
    expected = [item for item in events if query.items() <= item.items()]
    async with (
        serving(state, tail_heartbeat_seconds=0.1) as port,
        open_tail(port, headers={}, **query) as tail,
    ):
        await post_batch(client, events)
        ids = await tail.events(len(expected))
        comment_block = await tail.next()
    assert ids == [item["prediction_id"] for item in expected]
    assert comment_block is not None
    assert comment_block.comment
    assert len(expected) < len(events)


@pytest.mark.parametrize("tag", ["region=eu", "home.dest=x", "$a=1"])
async def test_tail_filter_of_a_tag_takes_any_name(
    client: httpx2.AsyncClient, state: State, tag: str
) -> None:
    name, _, value = tag.partition("=")
    match = make_event(tags={name: value}, role="shadow", features={"x": math.nan})
    others = [make_event(tags={name: "no"}, role="shadow"), make_event(tags={name: value})]
    async with (
        serving(state, tail_heartbeat_seconds=0.1) as port,
        open_tail(port, headers={}, tag=tag, role="shadow") as tail,
    ):
        body = json.dumps({"items": [*others, match]})
        await client.post("/v1/predictions/batch", content=body, headers=JSON)
        while (block := await tail.next()) is not None and block.data is None:
            pass  # a comment
    assert block is not None
    received = block.data
    assert received["prediction_id"] == match["prediction_id"]
    assert (received["features"], received["nonfinite"]) == ({"x": None}, {"/features/x": "NaN"})


async def test_tails_concurrent_each_receive_all_events(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(200)
    async with serving(state) as port, open_tail(port) as first, open_tail(port) as second:
        assert state["change_streams"].in_use == 2
        await post_batch(client, events)
        ids = await asyncio.gather(first.events(200), second.events(200))
    assert set(ids[0]) == {item["prediction_id"] for item in events}
    assert ids[0] == ids[1]


async def test_tail_cut_20_times_misses_and_repeats_nothing(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(1500)
    expected = {item["prediction_id"] for item in events}
    rng = random.Random(5)

    async def write() -> None:
        for index in range(0, len(events), 50):
            await post_batch(client, events[index : index + 50])
            await asyncio.sleep(0)

    ids: list[str] = []
    last_id, cuts = None, 0
    async with serving(state) as port:
        async with open_tail(port) as first:
            last_id = first.last_id
        writing = asyncio.create_task(write())
        while len(ids) < len(events):
            async with open_tail(port, last_id) as tail:
                if cuts < 20:
                    ids += await tail.events(rng.randrange(0, 90))
                    cuts += 1
                else:
                    ids += await tail.events(len(events) - len(ids))
                tail.cut()
                last_id = tail.last_id
        await writing
    assert cuts == 20
    assert len(ids) == len(set(ids)), "an event was repeated"
    assert set(ids) == expected
    await wait_until_no_tails(state)


async def test_tail_resumes_after_the_id_in_the_query(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(4)
    async with serving(state) as port:
        async with open_tail(port) as tail:
            await post_batch(client, events)
            assert await tail.events(2) == [item["prediction_id"] for item in events[:2]]
            middle = tail.last_id
            await tail.events(2)
            end = tail.last_id
        assert middle is not None
        async with open_tail(port, after=middle) as tail:
            assert await tail.events(2) == [item["prediction_id"] for item in events[2:]]
        new = make_event()
        await post_batch(client, [new])
        async with open_tail(port, end, after=middle) as tail:  # the header has precedence
            assert await tail.events(1) == [new["prediction_id"]]


async def test_tail_without_matches_sends_comments_with_new_ids(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Without new ids, the position of such a tail would soon be older than the oplog."""
    old, new = make_events(3), make_event()
    async with serving(state, tail_heartbeat_seconds=0.1) as port:
        async with open_tail(port, model="nothing") as tail:
            await post_batch(client, old)
            last_ids = {tail.last_id}
            while len(last_ids) < 4:
                await post_batch(client, make_events(1, model="between"))
                sent = await tail.next()
                assert sent is not None
                assert (sent.comment, sent.data, sent.event) == (True, None, None)
                last_ids.add(tail.last_id)
            last_id = tail.last_id
        await post_batch(client, [new])
        async with open_tail(port, last_id) as tail:
            ids = await tail.events(1)
            while ids[-1] != new["prediction_id"]:
                ids += await tail.events(1)
    assert not {item["prediction_id"] for item in old} & set(ids)


async def test_tail_id_unknown_to_mongodb_returns_410(
    client: httpx2.AsyncClient, state: State
) -> None:
    """As after a restore. A token begins with 0x82 and the seconds of its time, here of 1970."""
    async with serving(state) as port, open_tail(port) as tail:
        await post_batch(client, make_events(2))
        await tail.events(1)
        assert tail.last_id is not None
    ids = ResumeTokens(state["signer"])
    token = ids.read(tail.last_id)["_data"]
    unknown = ids.write({"_data": f"{token[:2]}00000001{token[10:]}"})
    response = await client.get(TAIL, headers={"Last-Event-ID": unknown})
    assert (response.status_code, response.json()["code"]) == (410, "event_id_gone")
    assert "export" in response.json()["detail"]
    await wait_until_no_tails(state)


async def test_tails_above_the_limit_return_503(state: State) -> None:
    settings = state["settings"].model_copy(update={"tails": 2})
    async with open_change_streams(settings) as change_streams:
        changed_state: Any = {**state, "change_streams": change_streams}
        async with serving(changed_state) as port:
            async with open_tail(port), open_tail(port):
                async with httpx2.AsyncClient(timeout=30) as client:
                    response = await client.get(f"http://127.0.0.1:{port}{TAIL}")
                assert (response.status_code, response.json()["code"]) == (503, "too_many_tails")
                assert response.headers["retry-after"] == "5"
            await wait_until_no_tails(changed_state)
            async with open_tail(port), open_tail(port):
                assert change_streams.in_use == 2


async def test_tails_leave_connections_and_threads_to_requests(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that waited for a tail would wait until the next event."""
    monkeypatch.setattr(change_streams_module, "AWAIT_SECONDS", 60.0)
    settings = state["settings"].model_copy(update={"mongo_max_pool_size": 2, "tails": 8})
    async with open_mongo(settings) as mongo, open_change_streams(settings) as change_streams:
        changed_state: Any = {**state, "mongo": mongo, "change_streams": change_streams}
        async with serving(changed_state) as port, contextlib.AsyncExitStack() as tails:
            for _ in range(8):
                await tails.enter_async_context(open_tail(port))
            assert change_streams.in_use == 8
            url = f"http://127.0.0.1:{port}/v1/predictions"
            async with httpx2.AsyncClient(timeout=30) as http, asyncio.timeout(20):
                responses = await asyncio.gather(*(http.get(url) for _ in range(20)))
            assert {response.status_code for response in responses} == {200}
        await wait_until_no_tails(changed_state)


async def test_tail_client_that_reads_nothing_is_disconnected(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "WRITE_SECONDS", 0.5)
    events = make_events(20, features={"text": "x" * 900_000})
    async with serving(state) as port, open_tail(port) as tail:
        for event in events:
            await post_batch(client, [event])
        await wait_until_no_tails(state)  # although the client is still connected
        rest = b""
        async with asyncio.timeout(30):
            with contextlib.suppress(ConnectionResetError):
                while piece := await tail.reader.read(100_000_000):
                    rest += piece
    assert len(rest) < 9_000_000, "more was buffered than the network's buffers hold"


async def read_end(tail: TailConnection) -> Any:
    """Return the data of the final event."""
    while (sent := await tail.next()) is not None:
        if sent.event == "end":
            assert await tail.next() is None
            return sent.data
    raise AssertionError("the tail ended without an end event")


async def test_tail_ends_when_its_key_is_revoked(
    state: State, anonymous_client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(permission_recheck, "RECHECK_INTERVAL_SECONDS", 0.1)
    owner = await create_user(state, "admin")
    key = await create_key(state, owner.id, "predictions:read")
    async with (
        serving(state, authenticator=state["authenticator"]) as port,
        open_tail(port, headers=bearer(key)) as tail,
    ):
        revoked = await anonymous_client.delete(
            f"/v1/api_keys/{key.split('_')[1]}", headers=owner.headers
        )
        assert revoked.status_code == 204
        reason = await read_end(tail)
    assert (reason["status"], reason["code"]) == (401, "invalid_token")
    await wait_until_no_tails(state)


async def test_tail_ends_at_shutdown_and_can_be_resumed(
    client: httpx2.AsyncClient, state: State
) -> None:
    shutdown_event = asyncio.Event()
    changed_state: Any = {**state, "shutdown_event": shutdown_event}
    async with serving(changed_state) as port:
        async with open_tail(port) as tail:
            event = make_event()
            await post_batch(client, [event])
            assert await tail.events(1) == [event["prediction_id"]]
            shutdown_event.set()
            assert (await read_end(tail))["code"] == "leaving"
            last_id = tail.last_id
        shutdown_event.clear()
        new = make_event()
        await post_batch(client, [new])
        async with open_tail(port, last_id) as tail:
            assert await tail.events(1) == [new["prediction_id"]]


async def test_tail_bound_key_without_its_model_returns_403(app: FastAPI, state: State) -> None:
    bound = Caller(scopes=scopes_of("admin"), models=("fraud-*",))
    async with client_as(bound, app, state) as client:
        for query in ({}, {"model": "churn"}):
            response = await client.get(TAIL, params=query)
            assert (response.status_code, response.json()["code"]) == (403, "model_forbidden")
