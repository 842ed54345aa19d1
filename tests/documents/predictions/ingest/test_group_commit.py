"""Group commit: concurrent documents share a write, and each has its own outcome."""

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
    """Write once ``released`` is set; fail numbers above 10,000, and every group with 666."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.released = asyncio.Event()

    async def write(self, numbers: Sequence[int]) -> list[str | Exception]:
        self.groups.append(list(numbers))
        await self.released.wait()
        if 666 in numbers:
            raise ConnectionError("the store is down")
        return [ValueError(str(item)) if item > 10_000 else f"wrote {item}" for item in numbers]


async def test_documents_submitted_during_a_write_form_the_next_group() -> None:
    store = Store()
    writer = GroupCommitWriter(store.write)
    first = asyncio.ensure_future(writer.submit(1))
    while not store.groups:
        await asyncio.sleep(0)
    later = [asyncio.ensure_future(writer.submit(number)) for number in range(10, 60)]
    await asyncio.sleep(0)
    store.released.set()
    results = await asyncio.gather(first, *later)
    assert results == [f"wrote {number}" for number in (1, *range(10, 60))]
    assert store.groups == [[1], [*range(10, 60)]]


async def test_submit_returns_or_raises_its_own_outcome() -> None:
    store = Store()
    store.released.set()
    writer = GroupCommitWriter(store.write)
    results = await asyncio.gather(*map(writer.submit, (1, 10_001, 2)), return_exceptions=True)
    assert results[0] == "wrote 1"
    assert isinstance(results[1], ValueError)
    assert results[2] == "wrote 2"


async def test_submit_store_failure_fails_its_group_only() -> None:
    store = Store()
    store.released.set()
    writer = GroupCommitWriter(store.write)
    with pytest.raises(ConnectionError):
        await writer.submit(666)
    assert await writer.submit(1) == "wrote 1"


async def test_drain_with_a_cancelled_submitter_writes_all() -> None:
    store = Store()
    writer = GroupCommitWriter(store.write)
    submitted = [asyncio.ensure_future(writer.submit(number)) for number in range(MAX_GROUP + 5)]
    await asyncio.sleep(0)
    submitted[0].cancel()
    store.released.set()
    await writer.drain()
    assert sum(map(len, store.groups)) == MAX_GROUP + 5
    assert max(map(len, store.groups)) <= MAX_GROUP
    assert await submitted[-1] == f"wrote {MAX_GROUP + 4}"


async def test_events_concurrent_share_few_inserts(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, inserts = make_events(60), 0
    write = state["shared_writer"]._write

    async def counted(documents: Sequence[Any]) -> Any:
        nonlocal inserts
        inserts += 1
        return await write(documents)

    monkeypatch.setattr(state["shared_writer"], "_write", counted)
    responses = await asyncio.gather(*[post_event(client, item) for item in events])
    assert {item.status_code for item in responses} == {201}
    assert await stored_ids(state) == ids_of(events)
    assert inserts < 20


async def test_event_sent_concurrently_is_stored_once(
    client: httpx2.AsyncClient, state: State
) -> None:
    event, other = make_event(), {"features": {"x": 2}}
    sent = [event] * 30 + [{**event, **other}] * 10
    responses = await asyncio.gather(*[post_event(client, item) for item in sent])
    codes = sorted(item.status_code for item in responses)
    assert codes in ([200] * 29 + [201] + [409] * 10, [200] * 9 + [201] + [409] * 30)
    assert await stored_ids(state) == ids_of([event])


async def test_submit_while_the_last_write_ends_is_written() -> None:
    """Submit after each number of event loop steps, so that no interleaving loses a document."""
    store = Store()
    store.released.set()
    writer = GroupCommitWriter(store.write)
    for steps in range(12):
        first = asyncio.ensure_future(writer.submit(1))
        for _ in range(steps):
            await asyncio.sleep(0)
        late = asyncio.ensure_future(writer.submit(7))
        async with asyncio.timeout(30):
            await asyncio.gather(first, late)
