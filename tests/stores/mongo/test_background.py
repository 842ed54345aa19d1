"""Background jobs run in one process at a time, and neither need nor delay anything else."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from mongo_indexes.lock import LOCKS
from service.main import State
from service.stores.mongo.background import LEASE, background_jobs
from service.stores.mongo.client import open_mongo
from service.stores.mongo.lease import Lease


class CountingJob:
    """Counts its runs; fails the first time."""

    name = "counting"

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, lease: Lease) -> None:
        lease.check()
        self.runs += 1
        if self.runs == 1:
            raise ValueError

    async def wait_for(self, runs: int) -> None:
        async with asyncio.timeout(30):
            while self.runs < runs:
                await asyncio.sleep(0.01)


@pytest.fixture
async def free_lease(state: State) -> AsyncIterator[None]:
    await state["mongo"].database[LOCKS].delete_one({"_id": LEASE})
    yield
    await state["mongo"].database[LOCKS].delete_one({"_id": LEASE})


async def test_jobs_run_in_the_holder_until_it_ends(state: State, free_lease: None) -> None:
    first, second = CountingJob(), CountingJob()
    async with background_jobs(state["mongo"], [first], poll_seconds=0.01):
        await first.wait_for(3)  # a job that failed runs again
        async with background_jobs(
            state["mongo"], [second], poll_seconds=0.01, lease_seconds=0.3
        ) as other:
            await first.wait_for(first.runs + 20)
            assert second.runs == 0
            lease = await state["mongo"].database[LOCKS].find_one({"_id": LEASE})
            assert lease is not None
            assert lease["owner"] != other.owner
            # The first one ends now, and releases the lease.
            await state["mongo"].database[LOCKS].delete_one({"_id": LEASE})
            await second.wait_for(2)
    assert await state["mongo"].database[LOCKS].find_one({"_id": LEASE}) is None


async def test_jobs_without_mongodb_delay_no_shutdown(state: State) -> None:
    absent = state["settings"].model_copy(
        update={
            "mongodb_url": SecretStr("mongodb://127.0.0.1:9"),
            "mongo_operation_seconds": 3.0,
            "mongo_deadline_seconds": 3.5,
        }
    )
    job = CountingJob()
    async with (
        open_mongo(absent) as mongo,
        asyncio.timeout(2),
        background_jobs(mongo, [job], poll_seconds=0.01),
    ):
        while mongo.in_use == 0:  # it waits for MongoDB
            await asyncio.sleep(0.01)
    assert job.runs == 0
