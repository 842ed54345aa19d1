"""How often one may ask, counted in this process in fixed windows, as ``limits`` writes them.

A caller with credentials counts for themselves, everybody else by address. Logins have limits of
their own: by address, and for wrong passwords by address and account together, so that nobody can
lock somebody else out.
"""

import math
import time
from collections.abc import Mapping
from ipaddress import IPv6Network

from limits import RateLimitItem, parse

from service.core.errors import ServiceError

MOST_COUNTERS = 100_000


class TooOften(ServiceError):
    status, code, title = 429, "too_often", "Too many requests"

    def __init__(self, seconds: int, headers: Mapping[str, str]) -> None:
        told = {**headers, "Retry-After": str(seconds)}
        super().__init__(f"Try again in {seconds} s.", headers=told)


class RateLimiter:
    """The limits of one process.

    Each is written as ``limits`` reads it: ``600/minute``, ``10/5minutes``.
    """

    def __init__(self, *, caller: str, address: str, login: str, guess: str) -> None:
        self._counters = _Counters()
        self._items = {
            "caller": _Limit("caller", parse(caller)),
            "address": _Limit("address", parse(address)),
            "login": _Limit("login", parse(login)),
            "guess": _Limit("guess", parse(guess)),
        }

    def count(self, limit: str, *who: str) -> dict[str, str]:
        """Counts one request; the RateLimit headers of its answer.

        ``who`` is a caller's name, or an address and perhaps an account.

        Raises:
            TooOften: it was one too many.
        """
        item = self._items[limit]
        used, until = self._counters.count((limit, *_blocked(who)), item.seconds)
        if used > item.most:
            raise item.refusal(used, until)
        return item.headers(used, until)

    def check(self, limit: str, *who: str) -> None:
        """Refuses who has no request left, without counting one."""
        item = self._items[limit]
        used, until = self._counters.counted((limit, *_blocked(who)))
        if used >= item.most:
            raise item.refusal(used, until)

    def forget(self, limit: str, *who: str) -> None:
        """Counts from nothing again."""
        self._counters.forget((limit, *_blocked(who)))


class _Limit:
    """So many in so many seconds."""

    def __init__(self, name: str, item: RateLimitItem) -> None:
        self._name, self.most, self.seconds = name, item.amount, item.get_expiry()
        self._policy = f'"{name}";q={self.most};w={self.seconds}'

    def headers(self, used: int, until: float) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes them."""
        seconds, left = max(0, math.ceil(until - time.time())), max(0, self.most - used)
        return {
            "RateLimit-Policy": self._policy,
            "RateLimit": f'"{self._name}";r={left};t={seconds}',
        }

    def refusal(self, used: int, until: float) -> TooOften:
        return TooOften(max(1, math.ceil(until - time.time())), self.headers(used, until))


def _blocked(who: tuple[str, ...]) -> tuple[str, ...]:
    """IPv6 by /64, of which everybody has one: nobody counts for themselves by changing theirs."""
    if who[0].count(":") < 2:  # IPv4, or the name of a caller
        return who
    try:
        return str(IPv6Network((who[0].partition("%")[0], 64), strict=False)), *who[1:]
    except ValueError:
        return who


class _Counters:
    """Fixed windows, each of which begins with its first request.

    The library's own thread looks at all of them whenever one is counted.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], tuple[int, float]] = {}

    def count(self, key: tuple[str, ...], seconds: int) -> tuple[int, float]:
        """How many there are in this window with this one, and when it ends."""
        now = time.time()
        count, until = self._counts.get(key, (0, 0.0))
        if until <= now:
            self._make_room(now)
            count, until = 0, now + seconds
        counted = self._counts[key] = (count + 1, until)
        return counted

    def counted(self, key: tuple[str, ...]) -> tuple[int, float]:
        count, until = self._counts.get(key, (0, 0.0))
        return (count, until) if until > time.time() else (0, until)

    def forget(self, key: tuple[str, ...]) -> None:
        self._counts.pop(key, None)

    def _make_room(self, now: float) -> None:
        """What has run out goes, once there are many; if that is not enough, so does all."""
        if len(self._counts) < MOST_COUNTERS:
            return
        self._counts = {key: kept for key, kept in self._counts.items() if kept[1] > now}
        if len(self._counts) >= MOST_COUNTERS:
            self._counts.clear()
