"""Cache of verified credentials, so that few requests ask the store.

An entry is fresh for 10 s and is refreshed in the background after 5 s, so that
frequent callers never wait. While the store is down, and only then, it is valid for 15 minutes, and
the store is asked in the background.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from service.core.errors import QueryTooSlow, Unavailable

V = TypeVar("V")
# A credential that was revoked through another process is valid here for FRESH_SECONDS at most.
REFRESH_SECONDS, FRESH_SECONDS, STALE_SECONDS = 5.0, 10.0, 900.0
RETRY_SECONDS = 1.0  # between two look-ups of a store that is down
MAX_ENTRIES = 10_000


class _Entry(NamedTuple, Generic[V]):
    value: V
    at: float


class CredentialCache(Generic[V]):
    """Values by id. ``load`` returns the value of an id, or None."""

    def __init__(
        self,
        load: Callable[[UUID], Awaitable[V | None]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._now = load, now
        self._entries: dict[UUID, _Entry[V]] = {}
        self._loading: dict[UUID, asyncio.Task[bool]] = {}  # not invalidated since they began
        self._tasks: set[asyncio.Task[bool]] = set()
        self._down_at = float("-inf")  # when a look-up last found the store down

    async def get(
        self, key: UUID, *, max_age: float = FRESH_SECONDS, allow_stale: bool = True
    ) -> V | None:
        """Return the value of an id, at most ``max_age`` seconds old.

        While the store is down, an older value is returned if ``allow_stale``; without waiting, if
        a look-up of the last ten seconds has found it down. So a credential that was revoked after
        the store came back is valid for no longer than FRESH_SECONDS either.

        Raises:
            Unavailable: the store is busy; or it is down and no value is young enough even so.
        """
        entry = self._entries.get(key)
        age = float("inf") if entry is None else self._now() - entry.at
        if entry is not None and age < min(max_age, REFRESH_SECONDS):
            return entry.value
        if entry is not None and age < STALE_SECONDS and allow_stale and self._is_known_down():
            self._retry(key)
            return entry.value
        task = self._loading.get(key) or self._start(key)
        if entry is not None and age < max_age:
            return entry.value
        try:
            is_current = await asyncio.shield(task)
        except (Unavailable, QueryTooSlow) as error:
            # Not the entry from before: it may have been invalidated meanwhile.
            entry = self._entries.get(key) if allow_stale and _is_down(error) else None
            if entry is None or self._now() - entry.at >= STALE_SECONDS:
                raise
            return entry.value
        if not is_current:
            return await self.get(key, max_age=max_age, allow_stale=allow_stale)
        loaded = self._entries.get(key)
        return None if loaded is None else loaded.value

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def invalidate(self, key: UUID) -> None:
        """Drop the value of an id, and the result of a look-up that is under way."""
        self._entries.pop(key, None)
        self._loading.pop(key, None)

    def invalidate_where(self, matches: Callable[[V], bool]) -> None:
        """Drop every value that matches, and the results of all look-ups under way."""
        self._loading.clear()
        for key in [key for key, entry in self._entries.items() if matches(entry.value)]:
            del self._entries[key]

    async def drain(self) -> None:
        """Wait for look-ups under way, before the store closes."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _is_known_down(self) -> bool:
        return self._now() - self._down_at < FRESH_SECONDS

    def _retry(self, key: UUID) -> None:
        """Look up one value in the background to find out whether the store is back."""
        if not self._tasks and self._now() - self._down_at >= RETRY_SECONDS:
            self._start(key)

    def _start(self, key: UUID) -> asyncio.Task[bool]:
        task = asyncio.ensure_future(self._look_up(key))
        self._loading[key] = task
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        return task

    async def _look_up(self, key: UUID) -> bool:
        """Store the value; return False if it was invalidated meanwhile."""
        started, this = self._now(), asyncio.current_task()
        try:
            value = await self._load(key)
        except Exception as error:
            if _is_down(error):
                self._down_at = self._now()
            if self._loading.get(key) is this:
                del self._loading[key]
            raise
        self._down_at = float("-inf")
        if self._loading.get(key) is not this:
            return False
        del self._loading[key]
        self._entries.pop(key, None)  # so that the oldest entry is the first
        if value is not None:
            self._entries[key] = _Entry(value, started)
            if len(self._entries) > MAX_ENTRIES:
                del self._entries[next(iter(self._entries))]
        return True

    def _finish(self, task: asyncio.Task[bool]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # mark it as retrieved: waiting callers get it


def _is_down(error: Exception) -> bool:
    """Return whether the store is down and not merely busy.

    A client that keeps it busy must not bring back a revoked credential.
    """
    return isinstance(error, QueryTooSlow) or (isinstance(error, Unavailable) and error.store_fails)
