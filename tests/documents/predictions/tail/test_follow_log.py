"""The log as it happens: nothing is missed, nothing comes twice, and nobody stays for ever."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from pymongo import MongoClient
from typing_extensions import override

from mongo_indexes.apply import apply_all
from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.core.signing import Signer
from service.documents.predictions.tail.resume_tokens import ResumeTokens
from service.main import State
from service.stores.embedded import MongoEngine
from service.stores.embedded.supervisor import Spec
from service.stores.mongo import change_streams as mongo_watch
from service.stores.mongo.change_streams import open_change_streams
from service.stores.mongo.client import open_mongo
from service.web.streaming import StreamedResponse
from tests.auth.factories import bearer, create_user, key_of
from tests.documents.predictions.factories import make_event, make_events, post_batch
from tests.documents.predictions.live_server import serving
from tests.documents.predictions.sse_client import TAIL, Following, following
from tests.fixtures.client import client_as

pytestmark = pytest.mark.usefixtures("reset_stores", "left")


async def nobody_follows(state: Any) -> None:
    """Waits until every place is free again."""
    async with asyncio.timeout(30):
        while state["change_streams"].taken:
            await asyncio.sleep(0.01)


@pytest.fixture
async def left(state: State) -> AsyncIterator[None]:
    """The next test finds every place free."""
    yield
    await nobody_follows(state)


async def test_what_is_logged_comes_as_it_stands_in_the_list(
    client: httpx2.AsyncClient, state: State
) -> None:
    await post_batch(client, make_events(3))
    async with serving(state) as port, following(port) as tail:
        event = make_event(features={"text": "a\nb\rc\u2028"}, tags={"a": "b"})
        await post_batch(client, [event])
        sent = await tail.next()
    assert sent is not None
    listed = (await client.get("/v1/predictions", params={"limit": 200})).json()["items"]
    assert [sent.data] == [
        each for each in listed if each["prediction_id"] == event["prediction_id"]
    ]
    await nobody_follows(state)


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
async def test_a_filter_lets_through_what_it_says(
    client: httpx2.AsyncClient, state: State, query: dict[str, str]
) -> None:
    kinds = [
        {"model": model, "version": version, "status": status}
        for model in ("churn", "fraud")
        for version in ("1", "2")
        for status in ("ok", "error")
    ]
    events = [make_event(**kind) for kind in kinds * 4]
    wanted = [each for each in events if query.items() <= each.items()]
    async with (
        serving(state, tail_heartbeat_seconds=0.1) as port,
        following(port, headers={}, **query) as tail,
    ):
        await post_batch(client, events)
        found = await tail.events(len(wanted))
        silence = await tail.next()
    assert found == [each["prediction_id"] for each in wanted]
    assert silence is not None
    assert silence.comment
    assert len(wanted) < len(events)


async def test_two_tails_each_get_everything(client: httpx2.AsyncClient, state: State) -> None:
    events = make_events(200)
    async with serving(state) as port, following(port) as one, following(port) as other:
        assert state["change_streams"].taken == 2
        await post_batch(client, events)
        found = await asyncio.gather(one.events(200), other.events(200))
    assert set(found[0]) == {each["prediction_id"] for each in events}
    assert found[0] == found[1]


async def test_a_tail_that_is_cut_50_times_misses_nothing_and_repeats_nothing(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(5000)
    wanted = {each["prediction_id"] for each in events}
    chance = random.Random(5)

    async def write() -> None:
        for place in range(0, len(events), 50):
            await post_batch(client, events[place : place + 50])
            await asyncio.sleep(0)

    found: list[str] = []
    last_id, cuts = None, 0
    async with serving(state) as port:
        async with following(port) as first:
            last_id = first.last_id
        writing = asyncio.create_task(write())
        while len(found) < len(events):
            async with following(port, last_id) as tail:
                if cuts < 50:
                    found += await tail.events(chance.randrange(0, 120))
                    cuts += 1
                else:
                    found += await tail.events(len(events) - len(found))
                tail.cut()
                last_id = tail.last_id
        await writing
    assert cuts == 50
    assert len(found) == len(set(found)), "an event came twice"
    assert set(found) == wanted
    await nobody_follows(state)


async def test_the_id_in_the_address_does_where_headers_cannot_be_set(
    client: httpx2.AsyncClient, state: State
) -> None:
    events = make_events(4)
    async with serving(state) as port:
        async with following(port) as tail:
            await post_batch(client, events)
            assert await tail.events(2) == [each["prediction_id"] for each in events[:2]]
            middle = tail.last_id
            await tail.events(2)
            end = tail.last_id
        assert middle is not None
        async with following(port, after=middle) as tail:
            assert await tail.events(2) == [each["prediction_id"] for each in events[2:]]
        new = make_event()
        await post_batch(client, [new])
        async with following(port, end, after=middle) as tail:  # the header is the later one
            assert await tail.events(1) == [new["prediction_id"]]


async def test_silence_is_broken_by_comments_whose_ids_move_on(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Else the place of a tail that nothing fits would soon be older than what is kept."""
    old, new = make_events(3), make_event()
    async with serving(state, tail_heartbeat_seconds=0.1) as port:
        async with following(port, model="nothing") as tail:
            await post_batch(client, old)
            seen = {tail.last_id}
            while len(seen) < 4:
                await post_batch(client, make_events(1, model="between"))
                sent = await tail.next()
                assert sent is not None
                assert (sent.comment, sent.data, sent.event) == (True, None, None)
                seen.add(tail.last_id)
            last_id = tail.last_id
        await post_batch(client, [new])
        async with following(port, last_id) as tail:
            found = await tail.events(1)
            while found[-1] != new["prediction_id"]:
                found += await tail.events(1)
    assert not {each["prediction_id"] for each in old} & set(found)


@pytest.mark.parametrize("last_id", ["x", "AAAA", "ü", "A" * 200, "x" * 1001])
async def test_an_id_that_is_not_ours_is_refused(client: httpx2.AsyncClient, last_id: str) -> None:
    answer = await client.get(TAIL, params={"after": last_id})
    assert answer.status_code == (422 if len(last_id) > 1000 else 400), answer.text
    if len(last_id) < 1000:
        assert answer.json()["code"] == "bad_event_id"


async def test_an_id_of_another_service_is_refused(client: httpx2.AsyncClient) -> None:
    foreign = ResumeTokens(Signer([b"another secret"])).write({"_data": "82AA"})
    answer = await client.get(TAIL, headers={"Last-Event-ID": foreign})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_event_id")


async def test_an_id_of_an_event_that_mongodb_does_not_have_is_gone(
    client: httpx2.AsyncClient, state: State
) -> None:
    """As after a restore. An id begins with 0x82 and the seconds of its time: here of 1970."""
    async with serving(state) as port, following(port) as tail:
        await post_batch(client, make_events(2))
        await tail.events(1)
        assert tail.last_id is not None
    ids = ResumeTokens(state["signer"])
    token = ids.read(tail.last_id)["_data"]
    unknown = ids.write({"_data": f"{token[:2]}00000001{token[10:]}"})
    answer = await client.get(TAIL, headers={"Last-Event-ID": unknown})
    assert (answer.status_code, answer.json()["code"]) == (410, "event_id_gone")
    assert "export" in answer.json()["detail"]
    await nobody_follows(state)


async def test_there_is_room_for_so_many_and_no_more(state: State) -> None:
    settings = state["settings"].model_copy(update={"tails": 2})
    async with open_change_streams(settings) as change_streams:
        held: Any = {**state, "change_streams": change_streams}
        async with serving(held) as port:
            async with following(port), following(port):
                async with httpx2.AsyncClient(timeout=30) as client:
                    answer = await client.get(f"http://127.0.0.1:{port}{TAIL}")
                assert (answer.status_code, answer.json()["code"]) == (503, "too_many_tails")
                assert answer.headers["retry-after"] == "5"
            await nobody_follows(held)
            async with following(port), following(port):
                assert change_streams.taken == 2


async def test_tails_take_no_connection_and_no_thread_from_requests(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever had to wait for a tail would wait as long as it waits for something to happen."""
    monkeypatch.setattr(mongo_watch, "AWAIT_SECONDS", 60.0)
    settings = state["settings"].model_copy(update={"mongo_max_pool_size": 2, "tails": 8})
    async with open_mongo(settings) as mongo, open_change_streams(settings) as change_streams:
        held: Any = {**state, "mongo": mongo, "change_streams": change_streams}
        async with serving(held) as port, contextlib.AsyncExitStack() as tails:
            for _ in range(8):
                await tails.enter_async_context(following(port))
            assert change_streams.taken == 8
            url = f"http://127.0.0.1:{port}/v1/predictions"
            async with httpx2.AsyncClient(timeout=30) as asking, asyncio.timeout(20):
                answers = await asyncio.gather(*(asking.get(url) for _ in range(20)))
            assert {answer.status_code for answer in answers} == {200}
        await nobody_follows(held)


async def test_a_client_that_takes_nothing_fills_no_memory_and_is_left(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StreamedResponse, "seconds_to_take", 0.5)
    events = make_events(20, features={"text": "x" * 900_000})
    async with serving(state) as port, following(port) as tail:
        for event in events:
            await post_batch(client, [event])
        await nobody_follows(state)  # though the client is still there
        async with asyncio.timeout(30):
            rest = await tail.reader.read(100_000_000)
            while piece := await tail.reader.read(100_000_000):
                rest += piece
    assert len(rest) < 9_000_000, "more than the buffers of the network was kept for it"


async def last_of(tail: Following) -> Any:
    """What the end says."""
    while (sent := await tail.next()) is not None:
        if sent.event == "end":
            assert await tail.next() is None
            return sent.data
    raise AssertionError("it ended without a word")


async def test_a_tail_ends_with_its_key(
    app: FastAPI, state: State, anonymous_client: httpx2.AsyncClient
) -> None:
    owner = await create_user(state, "admin")
    key = await key_of(state, owner.id, "predictions:read")
    async with (
        serving(state, authenticator=state["authenticator"]) as port,
        following(port, headers=bearer(key)) as tail,
    ):
        revoked = await anonymous_client.delete(
            f"/v1/api_keys/{key.split('_')[1]}", headers=owner.headers
        )
        assert revoked.status_code == 204
        told = await last_of(tail)
    assert (told["status"], told["code"]) == (401, "invalid_token")
    await nobody_follows(state)


async def test_a_tail_ends_when_the_process_is_about_to(
    client: httpx2.AsyncClient, state: State
) -> None:
    shutdown_event = asyncio.Event()
    held: Any = {**state, "shutdown_event": shutdown_event}
    async with serving(held) as port:
        async with following(port) as tail:
            event = make_event()
            await post_batch(client, [event])
            assert await tail.events(1) == [event["prediction_id"]]
            shutdown_event.set()
            assert (await last_of(tail))["code"] == "leaving"
            last_id = tail.last_id
        shutdown_event.clear()
        new = make_event()
        await post_batch(client, [new])
        async with following(port, last_id) as tail:
            assert await tail.events(1) == [new["prediction_id"]]


async def test_a_key_that_is_bound_follows_its_models_alone(app: FastAPI, state: State) -> None:
    bound = Caller(scopes=scopes_of("admin"), models=("fraud-*",))
    async with client_as(bound, app, state) as speaking:
        for query in ({}, {"model": "churn"}):
            answer = await speaking.get(TAIL, params=query)
            assert (answer.status_code, answer.json()["code"]) == (403, "model_forbidden")


@contextlib.contextmanager
def running(engine: MongoEngine) -> Iterator[MongoEngine]:
    engine.folder.mkdir()
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[MongoEngine]:
    with running(MongoEngine(tmp_path / "mongodb")) as engine:
        yield engine


@contextlib.asynccontextmanager
async def serving_on(mongod: MongoEngine, state: State) -> AsyncIterator[int]:
    """The application on a mongod of its own, which may be stopped."""
    update = {"mongodb_url": SecretStr(mongod.url), "mongodb_database": "polystore"}
    settings = state["settings"].model_copy(update=update)
    with MongoClient[dict[str, Any]](mongod.url) as client:
        apply_all(client["polystore"])
    async with open_mongo(settings) as mongo, open_change_streams(settings) as change_streams:
        held: Any = {**state, "mongo": mongo, "change_streams": change_streams}
        async with serving(held) as port:
            yield port


async def log_on(port: int, events: list[dict[str, Any]]) -> None:
    """Sends a batch until it is taken."""
    url = f"http://127.0.0.1:{port}/v1/predictions/batch"
    async with httpx2.AsyncClient(timeout=30) as speaking, asyncio.timeout(30):
        while (await speaking.post(url, json={"items": events})).status_code == 503:
            await asyncio.sleep(0.05)


async def test_mongod_restarts_and_the_tail_goes_on(state: State, mongod: MongoEngine) -> None:
    before, after = make_events(30), make_events(30)
    async with serving_on(mongod, state) as port, following(port) as tail:
        await log_on(port, before)
        assert await tail.events(10) == [each["prediction_id"] for each in before[:10]]
        await asyncio.to_thread(mongod.stop)
        await asyncio.to_thread(mongod.start)
        await log_on(port, after)
        found = await tail.events(50)
    assert found == [each["prediction_id"] for each in [*before[10:], *after]]


class Forgetful(MongoEngine):
    """Keeps the last 16 MB of what was written, once a checkpoint holds it: here every second."""

    @override
    def _spec(self) -> Spec:
        spec = super()._spec()
        place = spec["command"].index("--oplogSize")
        spec["command"][place + 1] = "1"
        spec["command"] += ["--syncdelay", "1"]
        return spec


async def test_an_id_older_than_what_mongodb_keeps_is_gone(state: State, tmp_path: Path) -> None:
    with running(Forgetful(tmp_path / "mongodb")) as mongod:
        async with serving_on(mongod, state) as port:
            async with following(port) as tail:
                await log_on(port, make_events(2))
                await tail.events(1)
            assert tail.last_id is not None
            headers = {"Last-Event-ID": tail.last_id}
            url = f"http://127.0.0.1:{port}{TAIL}"
            async with httpx2.AsyncClient(timeout=30) as asking, asyncio.timeout(60):
                status = 200
                while status == 200:
                    await log_on(port, make_events(5, features={"text": "x" * 900_000}))
                    async with asking.stream("GET", url, headers=headers) as answer:
                        status = answer.status_code
                        told = await answer.aread() if status != 200 else b"{}"
    assert (status, json.loads(told)["code"]) == (410, "event_id_gone")


def test_an_id_is_read_as_it_was_written_and_not_if_a_bit_of_it_is_changed() -> None:
    ids = ResumeTokens(Signer([b"secret"]))
    token = {"_data": "82" + "AB" * 60}
    text = ids.write(token)
    assert ids.read(text) == token
    assert text.isascii()
    assert json.dumps(text) == f'"{text}"'
