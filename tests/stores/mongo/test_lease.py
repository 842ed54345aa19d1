"""The lease of background work: one holder of many, by the server's clock."""

import asyncio
from uuid import uuid4

import pytest

from mongo_indexes.lock import LOCKS
from service.main import State
from service.stores.mongo.lease import Lease, LeaseLost


@pytest.fixture
def name() -> str:
    return f"test:{uuid4()}"


async def test_lease_taken_at_once_has_one_holder(state: State, name: str) -> None:
    leases = [Lease(state["mongo"], name) for _ in range(8)]
    acquired = await asyncio.gather(*(lease.hold() for lease in leases))
    assert sum(acquired) == 1
    assert [lease.is_ours for lease in leases] == acquired


async def test_lease_renewed_is_extended_since_its_start(state: State, name: str) -> None:
    lease, locks = Lease(state["mongo"], name), state["mongo"].database[LOCKS]
    await lease.hold()
    before = await locks.find_one({"_id": name})
    assert await lease.hold()
    after = await locks.find_one({"_id": name})
    assert before is not None
    assert after is not None
    assert after["owner"] == lease.owner
    assert after["since"] == before["since"]
    assert after["until"] > before["until"]


async def test_lease_of_a_killed_holder_is_taken_over(state: State, name: str) -> None:
    """A killed process renews no more."""
    killed, successor = (Lease(state["mongo"], name, 0.5) for _ in range(2))
    assert await killed.hold()
    async with asyncio.timeout(30):
        while not await successor.hold():
            await asyncio.sleep(0.02)
    with pytest.raises(LeaseLost):
        killed.check()
    assert not await killed.hold()


async def test_lease_released_is_free_at_once(state: State, name: str) -> None:
    first, second = (Lease(state["mongo"], name) for _ in range(2))
    await first.hold()
    await second.release()  # not its own
    assert not await second.hold()
    await first.release()
    assert await second.hold()
    assert not first.is_ours
