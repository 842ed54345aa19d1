"""Transfers on real connections: cut, slow, at once, replaced or purged meanwhile."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from service.auth.artifact_owners import ArtifactRoot
from service.core.errors import Unavailable
from service.documents.artifacts import contents, sweep, upload
from service.documents.artifacts.contents import (
    CALL_CHUNKS,
    PART_BYTES,
    ContentIncomplete,
    Contents,
    Transfers,
    file_document,
)
from service.documents.artifacts.documents import (
    ARTIFACTS,
    CHUNK_BYTES,
    CHUNKS,
    CONDEMNED,
    FILES,
)
from service.documents.artifacts.sweep import ArtifactPurge, ArtifactSweep
from service.main import State
from service.settings import Settings
from service.stores.mongo.client import Document, MongoCollection, now
from service.stores.mongo.lease import Lease, LeaseLost
from tests.documents.artifacts.owners import MLFLOW, KnownOwners, folder, ours
from tests.documents.predictions.live_server import connect, read_answer, serving


@pytest.fixture
async def port(
    state: State, owners: KnownOwners, monkeypatch: pytest.MonkeyPatch, reset_stores: None
) -> AsyncIterator[int]:
    monkeypatch.setitem(state, "artifact_owners", owners)
    async with serving(state, body_seconds=2.0) as port:
        yield port


def put_head(root: ArtifactRoot, path: str, length: int) -> bytes:
    address = f"{MLFLOW}/{folder(root)}/{path}"
    return f"PUT {address} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


async def counts(state: State) -> dict[str, int]:
    database = state["mongo"].database
    return {name: await database[name].count_documents({}) for name in (ARTIFACTS, FILES, CHUNKS)}


class HeldLease(Lease):
    """A lease that is ours, until it is lost after some checks."""

    def __init__(self, checks: int = 1_000_000) -> None:
        self.left = checks

    def check(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise LeaseLost


async def let_time_pass(state: State) -> None:
    """Make all leftovers due."""
    past = {"$set": {"leftovers.$[].remove_at": now() - timedelta(seconds=1)}}
    await state["mongo"].database[ARTIFACTS].update_many({}, past)


@pytest.mark.parametrize("cut_at", [1, CHUNK_BYTES, 5 * CHUNK_BYTES])
async def test_cut_upload_leaves_the_old_file_and_is_swept(
    cut_at: int, port: int, root: ArtifactRoot, state: State, client: httpx2.AsyncClient
) -> None:
    await client.put(ours(root, "a"), content=b"old")
    before = await counts(state)
    _, writer = await connect(port)
    writer.write(put_head(root, "a", 8 * CHUNK_BYTES) + b"x" * cut_at)
    await writer.drain()
    artifacts = state["mongo"].database[ARTIFACTS]
    async with asyncio.timeout(30):
        while not await artifacts.count_documents({"leftovers.0": {"$exists": True}}):
            await asyncio.sleep(0.01)
        writer.transport.abort()
        soon = {"leftovers.remove_at": {"$lt": now() + timedelta(hours=1)}}
        while not await artifacts.count_documents(soon):
            await asyncio.sleep(0.01)
    assert (await client.get(ours(root, "a"))).content == b"old"
    await let_time_pass(state)
    await ArtifactSweep(state["mongo"]).run(HeldLease())
    assert await counts(state) == before
    assert (await client.get(ours(root, "a"))).content == b"old"


async def test_upload_that_stops_sending_is_ended_with_408(port: int, root: ArtifactRoot) -> None:
    reader, writer = await connect(port)
    writer.write(put_head(root, "a", 100) + b"x")
    assert (await read_answer(reader)).status == 408
    writer.close()


async def test_uploads_at_once_leave_one_of_them_whole(
    client: httpx2.AsyncClient, root: ArtifactRoot, state: State
) -> None:
    bodies = [bytes([65 + number]) * (2 * CHUNK_BYTES + number) for number in range(6)]
    answers = await asyncio.gather(*(client.put(ours(root, "a"), content=body) for body in bodies))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert (await client.get(ours(root, "a"))).content in bodies
    await let_time_pass(state)
    await ArtifactSweep(state["mongo"]).run(HeldLease())
    assert await counts(state) == {ARTIFACTS: 1, FILES: 1, CHUNKS: 3}
    assert (await client.get(ours(root, "a"))).content in bodies


async def test_large_transfers_without_a_free_slot_get_503(
    client: httpx2.AsyncClient,
    root: ArtifactRoot,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large, small = b"x" * (PART_BYTES + 1), b"x" * PART_BYTES
    await client.put(ours(root, "large"), content=large)
    monkeypatch.setattr(contents, "TRANSFERS", 1)
    monkeypatch.setattr(contents, "SLOT_SECONDS", 0.01)
    transfers = Transfers()
    monkeypatch.setitem(state, "artifact_transfers", transfers)
    async with transfers.slot():
        for body, status in ((large, 503), (small, 200)):
            assert (await client.put(ours(root, "a"), content=body)).status_code == status
        for name, status in (("large", 503), ("a", 200)):
            assert (await client.get(ours(root, name))).status_code == status
    for _ in range(2):  # each returns its slot
        assert (await client.put(ours(root, "a"), content=large)).status_code == 200
        assert (await client.get(ours(root, "a"))).content == large


async def test_first_uploads_at_once_with_a_condition_succeed_once(
    client: httpx2.AsyncClient, root: ArtifactRoot
) -> None:
    headers = {"If-None-Match": "*"}
    answers = await asyncio.gather(
        *(client.put(ours(root, "a"), content=b"x", headers=headers) for _ in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5


async def test_reader_of_a_replaced_file_gets_the_old_one_whole(
    port: int, client: httpx2.AsyncClient, root: ArtifactRoot, state: State
) -> None:
    old, new = os.urandom(12 * CHUNK_BYTES), b"new"
    await client.put(ours(root, "a"), content=old)
    reader, writer = await connect(port)
    writer.write(f"GET {ours(root, 'a')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    start = await reader.readexactly(100)
    await client.put(ours(root, "a"), content=new)
    await ArtifactSweep(state["mongo"]).run(HeldLease())
    assert (await client.get(ours(root, "a"))).content == new
    assert start + await reader.readexactly(len(old) - 100) == old
    writer.close()


async def test_chunk_that_is_missing_cuts_the_connection(
    port: int, client: httpx2.AsyncClient, root: ArtifactRoot, state: State
) -> None:
    await client.put(ours(root, "a"), content=b"x" * 12 * CHUNK_BYTES)
    await state["mongo"].database[CHUNKS].delete_one({"n": 11})
    reader, writer = await connect(port)
    writer.write(f"GET {ours(root, 'a')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readexactly(12 * CHUNK_BYTES)
    writer.close()


async def test_content_with_lost_chunks_is_not_completed(state: State, reset_stores: None) -> None:
    """An election after the first chunks, before they reached a majority, looks like this."""
    contents, file_id = Contents(state["mongo"]), UUID(int=1)
    await contents.write(file_id, 0, [b"x" * CHUNK_BYTES, b"y" * CHUNK_BYTES])
    await state["mongo"].database[CHUNKS].delete_one({"n": 1})
    with pytest.raises(ContentIncomplete):
        await contents.complete(file_document(file_id, "a", 1, "a"), 2, [b"z"])


def test_some_writes_of_a_long_upload_wait_for_a_majority(state: State) -> None:
    contents = Contents(state["mongo"])
    waits = [
        number
        for number in range(0, 64, CALL_CHUNKS)
        if contents._chunks_from(number).write_concern.document["w"] == "majority"
    ]
    assert waits == [16, 32, 48]


async def test_content_whose_only_chunks_are_lost_is_not_completed(
    state: State, reset_stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents, file_id = Contents(state["mongo"]), UUID(int=1)
    files = state["mongo"].database[FILES]
    insert = type(files).insert_one

    async def losing(collection: MongoCollection, document: Document) -> None:
        await state["mongo"].database[CHUNKS].delete_one({"n": 0})
        await insert(collection, document)

    monkeypatch.setattr(type(files), "insert_one", losing)
    with pytest.raises(ContentIncomplete):
        await contents.complete(file_document(file_id, "a", 1, "a"), 0, [b"z"])


async def test_upload_whose_run_is_purged_meanwhile_is_not_published(
    port: int, root: ArtifactRoot, owners: KnownOwners, state: State, client: httpx2.AsyncClient
) -> None:
    reader, writer = await connect(port)
    writer.write(put_head(root, "a", 8 * CHUNK_BYTES) + b"x" * 7 * CHUNK_BYTES)
    async with asyncio.timeout(30):
        while (await counts(state))[CHUNKS] < 4:
            await asyncio.sleep(0.01)
    owners.purge(root)
    purge = ArtifactPurge(state["mongo"], owners, settle_time=timedelta(0))
    await purge.run(HeldLease())
    writer.write(b"x" * CHUNK_BYTES)
    assert (await read_answer(reader)).status in (404, 503)
    writer.close()
    await let_time_pass(state)
    await ArtifactSweep(state["mongo"]).run(HeldLease())
    assert await counts(state) == {ARTIFACTS: 0, FILES: 0, CHUNKS: 0}


@pytest.mark.parametrize("size", [6, 30])
async def test_long_upload_asks_its_owner_again(
    size: int,
    client: httpx2.AsyncClient,
    root: ArtifactRoot,
    owners: KnownOwners,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upload, "RECHECK_SECONDS", 0.0)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x" * CHUNK_BYTES
        owners.roots.clear()
        for _ in range(size - 6):
            yield b"x" * CHUNK_BYTES
            sent.append(1)

    sent = list[int]()
    assert (await client.put(ours(root, "a"), content=body())).status_code == 404
    assert len(sent) < 10


async def test_purge_that_is_interrupted_is_repeated_until_done(
    client: httpx2.AsyncClient, owners: KnownOwners, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    purged, kept = owners.add(), owners.add("model")
    for number in range(4):
        for root in (purged, kept):
            await client.put(ours(root, f"a/{number}"), content=b"x" * (CHUNK_BYTES + 1))
    owners.purge(purged)
    purge = ArtifactPurge(state["mongo"], owners, settle_time=timedelta(0))
    real, calls = Contents.remove, 0

    async def interrupted(contents: Contents, file_id: UUID) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            await state["mongo"].database[CHUNKS].delete_one({"files_id": file_id})
            raise Unavailable
        await real(contents, file_id)

    monkeypatch.setattr(Contents, "remove", interrupted)
    with pytest.raises(Unavailable):
        await purge.run(HeldLease())
    with pytest.raises(LeaseLost):
        await purge.run(HeldLease(checks=1))
    assert owners.purged == [purged]
    await purge.run(HeldLease())
    assert owners.purged == []
    assert await counts(state) == {ARTIFACTS: 4, FILES: 4, CHUNKS: 8}
    assert (await client.get(ours(kept, "a/3"))).status_code == 200


async def test_purge_waits_longer_than_uploads_go_on(
    owners: KnownOwners, state: State, reset_stores: None
) -> None:
    await ArtifactPurge(state["mongo"], owners).run(HeldLease())
    deadline = Settings.model_fields["mongo_deadline_seconds"].default
    (min_age,) = owners.min_ages
    assert min_age.total_seconds() > upload.RECHECK_SECONDS + 2 * deadline


async def test_purge_of_many_goes_on_after_one_that_fails(
    client: httpx2.AsyncClient, owners: KnownOwners, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [owners.add() for _ in range(5)]
    for root in roots:
        await client.put(ours(root, "a"), content=b"x")
        owners.purge(root)
    real = ArtifactSweep.empty

    async def failing(sweep: ArtifactSweep, root: ArtifactRoot, lease: Lease) -> None:
        if root == roots[0]:
            raise Unavailable
        await real(sweep, root, lease)

    monkeypatch.setattr(ArtifactSweep, "empty", failing)
    monkeypatch.setattr(sweep, "ROOTS", 2)
    with pytest.raises(Unavailable):
        await ArtifactPurge(state["mongo"], owners).run(HeldLease())
    assert owners.purged == roots[:1]
    assert await counts(state) == {ARTIFACTS: 1, FILES: 1, CHUNKS: 1}


@pytest.mark.parametrize("remove_at", [CONDEMNED, CONDEMNED + timedelta(days=1)])
async def test_sweep_spares_a_current_content_that_is_a_leftover_too(
    remove_at: datetime, client: httpx2.AsyncClient, root: ArtifactRoot, state: State
) -> None:
    await client.put(ours(root, "a"), content=b"1")
    artifacts = state["mongo"].database[ARTIFACTS]
    entry = {"file_id": "$file_id", "remove_at": remove_at}
    await artifacts.update_one({}, [{"$set": {"leftovers": [entry]}}])
    await ArtifactSweep(state["mongo"]).run(HeldLease())
    assert (await client.get(ours(root, "a"))).content == b"1"
    assert await artifacts.count_documents({"leftovers": []}) == 1


async def test_clear_spares_a_current_content_that_is_condemned(
    client: httpx2.AsyncClient, root: ArtifactRoot, state: State
) -> None:
    await client.put(ours(root, "a"), content=b"1")
    artifacts = state["mongo"].database[ARTIFACTS]
    entry = {"file_id": "$file_id", "remove_at": CONDEMNED}
    await artifacts.update_one({}, [{"$set": {"leftovers": [entry]}}])
    (key,) = await artifacts.distinct("_id")
    await ArtifactSweep(state["mongo"]).clear(key)
    assert (await client.get(ours(root, "a"))).content == b"1"


async def test_sweep_spares_what_is_not_due(
    client: httpx2.AsyncClient, root: ArtifactRoot, state: State
) -> None:
    await client.put(ours(root, "a"), content=b"1")
    await client.put(ours(root, "a"), content=b"2")
    await client.delete(ours(root, "a"))
    await ArtifactSweep(state["mongo"]).run(HeldLease())
    assert await counts(state) == {ARTIFACTS: 1, FILES: 2, CHUNKS: 2}
    await let_time_pass(state)
    await ArtifactSweep(state["mongo"]).run(HeldLease())
    assert await counts(state) == {ARTIFACTS: 0, FILES: 0, CHUNKS: 0}


async def test_transfer_of_64_mib_takes_little_memory(port: int, root: ArtifactRoot) -> None:
    """The peak of this process, which is the client too, grows by less than a half of it."""
    block, count = os.urandom(CHUNK_BYTES), 64

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield block

    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120) as speaking:
        before = reset_peak()
        answer = await speaking.put(ours(root, "a"), content=body())
        assert answer.json()["size"] == count * CHUNK_BYTES
        received = 0
        async with speaking.stream("GET", ours(root, "a")) as response:
            async for piece in response.aiter_bytes():
                received += len(piece)
        assert received == count * CHUNK_BYTES
        assert peak_bytes() - before < count * CHUNK_BYTES / 2


def reset_peak() -> int:
    """Measure the peak from now on; return the memory in use, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
