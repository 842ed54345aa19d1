"""Background work that one process at a time does, under one lease.

A job is added to the list in ``service.main``. It is called every few seconds in the process that
holds the lease, finds out itself whether there is work, and calls ``lease.check()`` between steps.
No request waits for it, and MongoDB may be down.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import structlog

from service.stores.mongo.client import MongoStore
from service.stores.mongo.lease import LEASE_SECONDS, Lease, LeaseLost

LEASE = "background_jobs"
POLL_SECONDS = 5.0
RELEASE_SECONDS = 0.5
log = structlog.get_logger("service.stores.mongo.background")


class Job(Protocol):
    """Work that can be interrupted at any moment and repeated, with the same result."""

    name: str

    async def run(self, lease: Lease) -> None:
        """Do what is to be done now.

        Raises:
            LeaseLost: another process may do it.
            Unavailable: MongoDB is down or hangs.
        """


@asynccontextmanager
async def background_jobs(
    mongo: MongoStore,
    jobs: Sequence[Job],
    *,
    poll_seconds: float = POLL_SECONDS,
    lease_seconds: float = LEASE_SECONDS,
) -> AsyncIterator[Lease]:
    """Run the jobs during the block, whenever this process holds the lease; for the lifespan."""
    lease = Lease(mongo, LEASE, lease_seconds)
    tasks = [asyncio.create_task(_repeat(job, lease, poll_seconds)) for job in jobs]
    if jobs:
        tasks.append(asyncio.create_task(_keep(lease)))
    try:
        yield lease
    finally:
        for task in tasks:
            task.cancel()  # a call under way is detached, as that of a cancelled request
        await asyncio.gather(*tasks, return_exceptions=True)
        if lease.is_ours:
            with suppress(Exception):  # the lease then expires by itself
                async with asyncio.timeout(RELEASE_SECONDS):
                    await lease.release()


async def _keep(lease: Lease) -> None:
    """Renew the lease, or try to take it, three times in its length."""
    while True:
        try:
            await lease.hold()
        except Exception as error:  # any error, because the next try may succeed
            log.info("lease not renewed", error=type(error).__name__)
        await asyncio.sleep(lease.seconds / 3)


async def _repeat(job: Job, lease: Lease, seconds: float) -> None:
    while True:
        if lease.is_ours:
            try:
                await job.run(lease)
            except LeaseLost:
                log.info("background job left to another process", job=job.name)
            except Exception as error:  # any error, because the next run may succeed
                log.warning("background job failed", job=job.name, error=type(error).__name__)
        await asyncio.sleep(seconds)
