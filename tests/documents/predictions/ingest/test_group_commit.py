"""Single events that come together are written together, and each hears of its own."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from service.documents.predictions.ingest.group_commit import MAX_GROUP, GroupCommitWriter
from service.main import State
from tests.documents.predictions.factories import (
    ids_of,
    make_event,
    make_events,
    post_event,
    stored_ids,
)


class Store:
    """Writes when it is told to; a number over 10,000 is refused."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = asyncio.Event()

    async def write(self, numbers: Sequence[int]) -> list[str | Exception]:
        self.groups.append(list(numbers))
        await self.go.wait()
        if 666 in numbers:
            raise ConnectionError("the store is gone")
        return [ValueError(str(each)) if each > 10_000 else f"wrote {each}" for each in numbers]


async def test_what_comes_while_one_is_in_flight_is_the_next() -> None:
    store = Store()
    writer = GroupCommitWriter(store.write)
    first = asyncio.ensure_future(writer.submit(1))
    while not store.groups:
        await asyncio.sleep(0)
    later = [asyncio.ensure_future(writer.submit(number)) for number in range(10, 60)]
    await asyncio.sleep(0)
    store.go.set()
    told = await asyncio.gather(first, *later)
    assert told == [f"wrote {number}" for number in (1, *range(10, 60))]
    assert store.groups == [[1], [*range(10, 60)]]


async def test_each_hears_what_became_of_its_own() -> None:
    store = Store()
    store.go.set()
    writer = GroupCommitWriter(store.write)
    told = await asyncio.gather(*map(writer.submit, (1, 10_001, 2)), return_exceptions=True)
    assert told[0] == "wrote 1"
    assert isinstance(told[1], ValueError)
    assert told[2] == "wrote 2"


async def test_a_store_that_fails_fails_those_of_that_group_alone() -> None:
    store = Store()
    store.go.set()
    writer = GroupCommitWriter(store.write)
    with pytest.raises(ConnectionError):
        await writer.submit(666)
    assert await writer.submit(1) == "wrote 1"


async def test_whoever_left_is_no_obstacle_and_drain_waits_for_the_rest() -> None:
    store = Store()
    writer = GroupCommitWriter(store.write)
    asked = [asyncio.ensure_future(writer.submit(number)) for number in range(MAX_GROUP + 5)]
    await asyncio.sleep(0)
    asked[0].cancel()
    store.go.set()
    await writer.drain()
    assert sum(map(len, store.groups)) == MAX_GROUP + 5
    assert max(map(len, store.groups)) <= MAX_GROUP
    assert await asked[-1] == f"wrote {MAX_GROUP + 4}"


async def test_many_single_events_share_few_inserts(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, inserts = make_events(60), 0
    write = state["shared_writer"]._write

    async def counted(documents: Sequence[Any]) -> Any:
        nonlocal inserts
        inserts += 1
        return await write(documents)

    monkeypatch.setattr(state["shared_writer"], "_write", counted)
    answers = await asyncio.gather(*[post_event(client, each) for each in events])
    assert {each.status_code for each in answers} == {201}
    assert await stored_ids(state) == ids_of(events)
    assert inserts < 20


async def test_one_event_sent_by_many_at_once_is_there_once(
    client: httpx2.AsyncClient, state: State
) -> None:
    event, other = make_event(), {"features": {"x": 2}}
    sent = [event] * 30 + [{**event, **other}] * 10
    answers = await asyncio.gather(*[post_event(client, each) for each in sent])
    codes = sorted(each.status_code for each in answers)
    assert codes in ([200] * 29 + [201] + [409] * 10, [200] * 9 + [201] + [409] * 30)
    assert await stored_ids(state) == ids_of([event])


async def test_what_comes_as_the_last_writer_ends_is_written_too() -> None:
    """Everything that can happen between two steps of a writer does: nobody is forgotten."""
    store = Store()
    store.go.set()
    writer = GroupCommitWriter(store.write)
    for pause in range(12):
        first = asyncio.ensure_future(writer.submit(1))
        for _ in range(pause):
            await asyncio.sleep(0)
        late = asyncio.ensure_future(writer.submit(7))
        async with asyncio.timeout(30):
            await asyncio.gather(first, late)
