"""A replica set whose primary steps down or is killed while clients write through the service.

Nothing acknowledged is lost, nothing is doubled, and only what a majority has is ever returned.
``FAILOVER_FAULTS`` and ``FAILOVER_ELECTION_MS`` make a longer run, or one with MongoDB's default
election timeout; ``--log-cli-level=INFO`` shows the figures.
"""

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

import httpx2
import pytest
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern
from uuid_utils.compat import uuid7

from mongo_indexes.apply import apply_all
from service.main import State
from service.settings import Settings
from tests.auth.factories import create_user
from tests.documents.predictions.factories import make_event
from tests.faults.failover_load import (
    CODEC,
    EVENTS,
    KINDS,
    MODEL,
    STORED_AS,
    Gaps,
    Load,
    Tail,
    Write,
    loaded,
    read_stored,
    response_clock,
)
from tests.fixtures.replica_set import ReplicaSet, replica_set
from tests.fixtures.service import (
    RunningService,
    default_timeouts,
    on_stores_of,
    running_service,
)

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("failover")]

FAULTS = int(os.environ.get("FAILOVER_FAULTS", "3"))
ELECTION_MS = int(os.environ.get("FAILOVER_ELECTION_MS", "2000"))
# After an election: the driver looks for a primary once a second, and an open circuit lets one call
# a second through.
LATER_SECONDS = 3.0
RESPONSE_SECONDS = 2.1
log = logging.getLogger(__name__)


FAULT_KINDS: dict[str, Callable[[ReplicaSet], None]] = {
    "step_down": ReplicaSet.step_down,
    "kill": ReplicaSet.kill_primary,
}


@pytest.fixture(scope="module")
def members() -> Iterator[ReplicaSet]:
    with replica_set(ELECTION_MS) as running:
        yield running


@pytest.fixture(scope="module")
def service(
    members: ReplicaSet, settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """The service with the timeouts of production on the replica set."""
    apply_all(members.client[database_of(settings)])
    environment = {
        **on_stores_of(settings),
        **default_timeouts("mongo"),
        "MONGODB_URL": members.url,
        "POLYSTORE_TAIL_HEARTBEAT_SECONDS": "1",
    }
    with running_service(tmp_path_factory.mktemp("failover"), **environment) as running:
        yield running


def database_of(settings: Settings) -> str:
    assert settings.mongodb_database is not None
    return settings.mongodb_database


@pytest.fixture(scope="module")
async def client(service: RunningService, state: State) -> AsyncIterator[httpx2.AsyncClient]:
    person = await create_user(state, "admin")
    async with httpx2.AsyncClient(
        base_url=service.url, headers=person.headers, timeout=30
    ) as speaking:
        yield speaking


class Outcome(NamedTuple):
    """The responses to the clients, and the documents on the primary afterwards."""

    load: Load
    gaps: list[Gaps]
    tail: Tail
    stored: dict[str, Counter[str]]


@pytest.fixture(scope="module", params=FAULT_KINDS)
async def outcome(
    request: pytest.FixtureRequest,
    members: ReplicaSet,
    client: httpx2.AsyncClient,
    settings: Settings,
) -> Outcome:
    gaps = []
    tail = Tail(client, MODEL)
    async with tail.following():
        async with loaded(client) as load:
            for _ in range(FAULTS):
                gaps.append(await load.gaps_of(FAULT_KINDS[request.param], members))
                await asyncio.to_thread(members.wait_until_whole)
            await load.more()
        stored = await asyncio.to_thread(read_stored, members, database_of(settings))
        events = {key for kind in EVENTS for key in load.sent[kind]} & stored["events"].keys()
        await tail.until(lambda: events <= set(tail.received))
    acknowledged = {kind: len(ids) for kind, ids in load.acknowledged.items()}
    log.info("acknowledged %s, responses %s", acknowledged, dict(load.responses))
    log.info("slowest %s, tail %d events", load.slowest, len(tail.received))
    return Outcome(load, gaps, tail, stored)


def test_failover_loses_nothing_acknowledged(outcome: Outcome) -> None:
    lost = {
        kind: set(outcome.load.acknowledged[kind]) - outcome.stored[stored].keys()
        for stored, kinds in STORED_AS.items()
        for kind in kinds
    }
    assert lost == {kind: set() for kind in lost}


def test_failover_and_retries_double_nothing(outcome: Outcome) -> None:
    doubled = {
        stored: {key for kind in kinds for key in outcome.load.sent[kind] if counts[key] > 1}
        for stored, kinds in STORED_AS.items()
        for counts in [outcome.stored[stored]]
    }
    assert doubled == {stored: set() for stored in STORED_AS}


def test_failover_responses_are_2xx_or_503_in_time(outcome: Outcome) -> None:
    statuses = {status for _, status, _ in outcome.load.responses}
    assert statuses <= {200, 201, 503}, outcome.load.responses
    assert max(outcome.load.slowest.values()) <= RESPONSE_SECONDS, outcome.load.slowest


def test_failover_lets_every_kind_write_again_in_time(outcome: Outcome) -> None:
    """Both secondaries may stand at once; then nobody wins, and the timeout begins again."""
    late = [
        (elections, seconds)
        for elections, seconds in outcome.gaps
        if max(seconds.values()) > elections * ELECTION_MS / 1000 + LATER_SECONDS
    ]
    assert late == []


def test_failover_leaves_an_open_tail_complete(outcome: Outcome) -> None:
    tail, sent = outcome.tail, [key for kind in EVENTS for key in outcome.load.sent[kind]]
    assert Counter(tail.received) == Counter(set(sent) & outcome.stored["events"].keys())


def test_cut_off_primary_leaves_no_long_election_timeout(members: ReplicaSet) -> None:
    """The control of the fixture: its long timeout must not outlast the block in any member."""
    with members.cut_off_primary():
        pass
    began = time.monotonic()
    members.kill_primary()
    assert members.primary().runs
    assert time.monotonic() - began < 30  # a member that kept the timeout stands after 60 s
    members.wait_until_whole()


def test_write_of_one_member_is_lost_with_it(members: ReplicaSet) -> None:
    """The control: the service avoids this by a write concern of a majority."""
    primary = members.primary()
    others = members.others(primary)
    for member in others:
        member.kill()
    concern = WriteConcern(w=1, j=True)
    control = primary.client["control"].get_collection("writes", write_concern=concern)
    acknowledged = control.insert_many([{} for _ in range(100)]).inserted_ids
    assert control.count_documents({}) == len(acknowledged) == 100
    primary.kill()
    for member in others:
        member.start()
    assert members.primary() in others
    members.wait_until_whole()
    left = [member.client["control"]["writes"].count_documents({}) for member in members.members]
    assert left == [0, 0, 0]


async def test_read_shows_no_write_that_a_majority_lacks(
    members: ReplicaSet, client: httpx2.AsyncClient, settings: Settings
) -> None:
    event, key = make_event(model="cut_off"), uuid7()
    assert (await client.post("/v1/predictions", json=event)).status_code == 201
    tail = Tail(client, "cut_off")
    async with tail.following():
        with members.cut_off_primary() as primary:
            data = primary.client.get_database(
                database_of(settings), CODEC, write_concern=WriteConcern(w=1)
            )
            stored = data["predictions"].find_one({"_id": UUID(event["prediction_id"])})
            assert stored is not None
            data["predictions"].insert_one({**stored, "_id": key})
            local = data.get_collection("predictions", read_concern=ReadConcern("local"))
            assert local.find_one({"_id": key}) is not None
            assert (await client.get(f"/v1/predictions/{key}")).status_code == 404
            page = await client.get("/v1/predictions", params={"model": "cut_off"})
            assert [one["prediction_id"] for one in page.json()["items"]] == [
                event["prediction_id"]
            ]
            comments = tail.comments
            await tail.until(lambda: tail.comments >= comments + 2)
            assert tail.received == []
        assert (await client.get(f"/v1/predictions/{key}")).status_code == 200
        await tail.until(lambda: tail.received == [str(key)])


async def test_write_without_a_majority_is_repeated_without_effect(
    members: ReplicaSet, client: httpx2.AsyncClient, settings: Settings
) -> None:
    writes = [KINDS[kind]() for kind in ("one_event", "one_label", "item_with_a_key")]

    async def send(write: Write) -> tuple[int, str]:
        content: dict[str, Any] = {"json": write.body, "headers": write.headers}
        response = await client.request(write.method, write.path, **content)
        return response.status_code, response.json().get("code", "")

    with members.cut_off_primary():
        refused = await asyncio.gather(*map(send, writes))
        assert refused == [(503, "outcome_unknown")] * len(writes)
        refused = await asyncio.gather(*map(send, writes))  # some at once: the circuit is open
        assert {status for status, _ in refused} == {503}
    repeated = await asyncio.gather(*map(send, writes))
    assert {status for status, _ in repeated} <= {200, 201}
    stored = read_stored(members, database_of(settings))
    counts = [stored[what][write.ids[0]] for what, write in zip(stored, writes, strict=True)]
    assert counts == [1, 1, 1]


async def test_events_without_a_majority_are_refused_in_time(
    members: ReplicaSet, client: httpx2.AsyncClient, settings: Settings
) -> None:
    """An event that waits for the insert of another has no more time than that one."""

    async def send(event: dict[str, Any]) -> tuple[int, float]:
        began = response_clock()
        response = await client.post("/v1/predictions", json=event)
        return response.status_code, response_clock() - began

    event = make_event()
    with members.cut_off_primary() as primary:
        data = primary.client.get_database(database_of(settings), CODEC)
        key = {"_id": UUID(event["prediction_id"])}
        async with asyncio.TaskGroup() as group:
            first = group.create_task(send(event))
            while data["predictions"].count_documents(key) == 0:
                await asyncio.sleep(0.01)
            second = group.create_task(send(make_event()))
    assert [task.result()[0] for task in (first, second)] == [503, 503]
    assert max(task.result()[1] for task in (first, second)) <= RESPONSE_SECONDS
