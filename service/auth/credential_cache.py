"""What was verified lately, so that not every request asks the store.

An answer is fresh for a minute, and looked up again in the background after half of one, so that
who calls often never waits. While the store is down, and only then, it is good for 15 minutes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from service.core.errors import QueryTooSlow, Unavailable

V = TypeVar("V")
SECONDS_UNASKED, SECONDS_FRESH, SECONDS_STALE = 30.0, 60.0, 900.0
MOST_KNOWN = 10_000


class _Entry(NamedTuple, Generic[V]):
    value: V
    at: float


class CredentialCache(Generic[V]):
    """Values by id. ``load`` gives the value of an id, or None if there is none."""

    def __init__(
        self,
        load: Callable[[UUID], Awaitable[V | None]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._now = load, now
        self._entries: dict[UUID, _Entry[V]] = {}
        self._loading: dict[UUID, asyncio.Task[bool]] = {}  # those that are still wanted
        self._asked: set[asyncio.Task[bool]] = set()

    async def get(
        self, key: UUID, *, max_age: float = SECONDS_FRESH, allow_stale: bool = True
    ) -> V | None:
        """The value, which is ``younger_than`` so many seconds while the store can be asked.

        Without ``or_stale`` it is so always.

        Raises:
            Unavailable: the store is busy; or it is down and nothing is known that is young enough
                even so.
        """
        entry = self._entries.get(key)
        age = float("inf") if entry is None else self._now() - entry.at
        if entry is not None and age < min(max_age, SECONDS_UNASKED):
            return entry.value
        asked = self._loading.get(key) or self._ask(key)
        if entry is not None and age < max_age:
            return entry.value
        try:
            still_wanted = await asyncio.shield(asked)
        except (Unavailable, QueryTooSlow) as error:
            # Not the entry from before: it may have been forgotten meanwhile.
            entry = self._entries.get(key) if allow_stale and _is_down(error) else None
            if entry is None or self._now() - entry.at >= SECONDS_STALE:
                raise
            return entry.value
        if not still_wanted:
            return await self.get(key, max_age=max_age, allow_stale=allow_stale)
        found = self._entries.get(key)
        return None if found is None else found.value

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def invalidate(self, key: UUID) -> None:
        """Asks anew at the next request; what is just being looked up does not count either."""
        self._entries.pop(key, None)
        self._loading.pop(key, None)

    def invalidate_where(self, fits: Callable[[V], bool]) -> None:
        """The same for every value that fits; all that is just being looked up may be one."""
        self._loading.clear()
        for key in [key for key, entry in self._entries.items() if fits(entry.value)]:
            del self._entries[key]

    async def drain(self) -> None:
        """Waits for what is being looked up, before the store closes."""
        if self._asked:
            await asyncio.wait(self._asked)

    def _ask(self, key: UUID) -> asyncio.Task[bool]:
        task = asyncio.ensure_future(self._look_up(key))
        self._loading[key] = task
        self._asked.add(task)
        task.add_done_callback(self._notice)
        return task

    async def _look_up(self, key: UUID) -> bool:
        """Whether what it found was still wanted when it had."""
        at, this = self._now(), asyncio.current_task()
        try:
            value = await self._load(key)
        except Exception:
            if self._loading.get(key) is this:
                del self._loading[key]
            raise
        if self._loading.get(key) is not this:
            return False
        del self._loading[key]
        self._entries.pop(key, None)  # so that the oldest come first
        if value is not None:
            self._entries[key] = _Entry(value, at)
            if len(self._entries) > MOST_KNOWN:
                del self._entries[next(iter(self._entries))]
        return True

    def _notice(self, task: asyncio.Task[bool]) -> None:
        self._asked.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits is told; a look-up in the background is not missed


def _is_down(error: Unavailable | QueryTooSlow) -> bool:
    """Not merely busy: whoever makes it busy would bring back what was revoked."""
    return isinstance(error, QueryTooSlow) or error.store_fails
