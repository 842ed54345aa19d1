"""The load: clients that write and read everything, with pauses on request."""

import asyncio
import itertools
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from tests.chaos.client import IN_PROGRESS, Answer, Call, Client
from tests.chaos.records import Record, RecordLog

PAUSE_SECONDS, RETRY_SECONDS = 0.2, 0.3
KEPT_ADDRESSES = 400
UNSETTLED = {0, 429, 503, 504}  # 0: no response


class Load:
    """State that the clients share: the log, unique names, and addresses to read."""

    def __init__(
        self, client: Client, log: RecordLog, chance: random.Random, *, without_keys: bool
    ) -> None:
        self.client, self.log, self.chance = client, log, chance
        self.addresses: deque[Call] = deque(maxlen=KEPT_ADDRESSES)
        self.events: deque[str] = deque(maxlen=KEPT_ADDRESSES)  # ids of acknowledged predictions
        self.setup: dict[str, Any] = {}
        self._with_keys = not without_keys
        self._numbers = itertools.count(1)
        self._run = f"{chance.getrandbits(32):08x}"
        self._may_send = asyncio.Event()
        self._may_send.set()
        self._idle = asyncio.Condition()
        self._busy = 0

    def name(self, kind: str) -> str:
        """Return a text that no other record has."""
        return f"{kind}-{self._run}-{next(self._numbers)}"

    def id(self) -> str:
        """Return a new id; the same ones with the same seed."""
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    async def send(self, call: Call) -> Answer:
        """Send once, unless the load is paused: then afterwards."""
        await self._may_send.wait()
        self._busy += 1
        try:
            return await self.client.send(call)
        finally:
            self._busy -= 1
            if not self._busy:
                async with self._idle:
                    self._idle.notify_all()

    async def write(self, call: Call, records: Iterable[Record], *, repeat: bool = True) -> Answer:
        """Log the records, send until there is an outcome, and log what was acknowledged.

        A POST has an Idempotency-Key, which makes it safe to repeat. Without ``repeat`` it has none
        and is sent once.
        """
        records = list(records)
        self.log.send(records)
        if call.method == "POST" and repeat and self._with_keys:
            call = call._replace(
                headers={**call.headers, "Idempotency-Key": self.id()},
                refusals=call.refusals | {IN_PROGRESS},
            )
        while True:
            answer = await self.send(call)
            if answer.ok:
                self.log.acknowledge(records)
            pending = answer.status in UNSETTLED or answer.code == IN_PROGRESS
            if not repeat or not pending:
                return answer
            await asyncio.sleep(RETRY_SECONDS)

    def remember(self, store: str, path: str) -> None:
        """Let readers read an address that must exist."""
        self.addresses.append(Call(store, "GET", path))

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Let no client send during the block; it begins when all have their response."""
        self._may_send.clear()
        try:
            async with asyncio.timeout(60), self._idle:
                await self._idle.wait_for(lambda: not self._busy)
            yield
        finally:
            self._may_send.set()

    async def acknowledged_after(self, store: str, moment: float, seconds: float = 30) -> float:
        """Wait for a 2xx to a write after a time; return the seconds from then, or infinity."""
        while self.client.moments[store] <= moment:
            if time.monotonic() - moment > seconds:
                return float("inf")
            await asyncio.sleep(0.005)
        return self.client.moments[store] - moment
