"""How often one may ask, counted in this process with the fixed windows of ``limits``.

A caller with credentials counts for themselves, everybody else by address. Logins have limits of
their own: by address, and for wrong passwords by address and account together, so that nobody can
lock somebody else out.
"""

import math
import time
from collections.abc import Mapping
from ipaddress import IPv6Network

from limits import RateLimitItem, parse
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from service.errors import ServiceError

MOST_COUNTERS = 100_000


class TooOften(ServiceError):
    status, code, title = 429, "too_often", "Too many requests"

    def __init__(self, seconds: int, headers: Mapping[str, str]) -> None:
        told = {**headers, "Retry-After": str(seconds)}
        super().__init__(f"Try again in {seconds} s.", headers=told)


class Rates:
    """The limits of one process.

    Each is written as ``limits`` reads it: ``600/minute``, ``10/5minutes``.
    """

    def __init__(self, *, caller: str, address: str, login: str, guess: str) -> None:
        self._limiter = FixedWindowRateLimiter(_Counters())
        self._items = {
            "caller": parse(caller),
            "address": parse(address),
            "login": parse(login),
            "guess": parse(guess),
        }

    def count(self, limit: str, *who: str) -> dict[str, str]:
        """Counts one request; the RateLimit headers of its answer.

        ``who`` is a caller's name, or an address and perhaps an account.

        Raises:
            TooOften: it was one too many.
        """
        item, who = self._items[limit], _blocked(who)
        if not self._limiter.hit(item, limit, *who):
            raise self._refusal(limit, item, who)
        return self._headers(limit, item, who)

    def check(self, limit: str, *who: str) -> None:
        """Refuses who has no request left, without counting one."""
        item, who = self._items[limit], _blocked(who)
        if not self._limiter.test(item, limit, *who):
            raise self._refusal(limit, item, who)

    def forget(self, limit: str, *who: str) -> None:
        """Counts from nothing again."""
        self._limiter.clear(self._items[limit], limit, *_blocked(who))

    def _refusal(self, limit: str, item: RateLimitItem, who: tuple[str, ...]) -> TooOften:
        reset = self._limiter.get_window_stats(item, limit, *who).reset_time
        return TooOften(max(1, math.ceil(reset - time.time())), self._headers(limit, item, who))

    def _headers(self, limit: str, item: RateLimitItem, who: tuple[str, ...]) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers-10 writes them."""
        left = self._limiter.get_window_stats(item, limit, *who)
        seconds = max(0, math.ceil(left.reset_time - time.time()))
        return {
            "RateLimit-Policy": f'"{limit}";q={item.amount};w={item.get_expiry()}',
            "RateLimit": f'"{limit}";r={max(0, left.remaining)};t={seconds}',
        }


def _blocked(who: tuple[str, ...]) -> tuple[str, ...]:
    """IPv6 by /64, of which everybody has one: nobody counts for themselves by changing theirs."""
    if who[0].count(":") < 2:  # IPv4, or the name of a caller
        return who
    try:
        return str(IPv6Network((who[0].partition("%")[0], 64), strict=False)), *who[1:]
    except ValueError:
        return who


class _Counters(Storage):
    """Counters in a dict.

    The library's own starts a thread that looks at all of them whenever one is counted.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = time.time()
        count, until = self._counts.get(key, (0, 0.0))
        if until <= now:
            self._make_room(now)
            count, until = 0, now + expiry
        self._counts[key] = (count + amount, until)
        return count + amount

    def _make_room(self, now: float) -> None:
        """What has run out goes, once there are many; if that is not enough, so does all."""
        if len(self._counts) < MOST_COUNTERS:
            return
        self._counts = {key: kept for key, kept in self._counts.items() if kept[1] > now}
        if len(self._counts) >= MOST_COUNTERS:
            self._counts.clear()

    def get(self, key: str) -> int:
        count, until = self._counts.get(key, (0, 0.0))
        return count if until > time.time() else 0

    def get_expiry(self, key: str) -> float:
        return self._counts.get(key, (0, time.time()))[1]

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        count = len(self._counts)
        self._counts.clear()
        return count

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)
