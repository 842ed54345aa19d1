"""Rate limits in fixed windows, counted in this process.

A caller with credentials is counted by name, every other by address. Logins have limits of their
own: by address, and for wrong passwords by address and account together, so that no client can lock
another out. A process needs no thread for it, as the library ``limits`` does.
"""

import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv6Network

from service.core.errors import ServiceError

MAX_COUNTERS = 100_000
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_RATE = re.compile(r"([0-9]+)/([0-9]*)(second|minute|hour|day)s?")


class TooOften(ServiceError):
    status, code, title = 429, "too_often", "Too many requests"

    def __init__(self, seconds: int, headers: Mapping[str, str]) -> None:
        headers = {**headers, "Retry-After": str(seconds)}
        super().__init__(f"Try again in {seconds} s.", headers=headers)


class RateLimiter:
    """The limits of one process, such as ``600/minute`` or ``10/5minutes``."""

    def __init__(self, *, caller: str, address: str, login: str, guess: str) -> None:
        self._counters = FixedWindowCounters()
        self._items = {
            "caller": _Limit("caller", caller),
            "address": _Limit("address", address),
            "login": _Limit("login", login),
            "guess": _Limit("guess", guess),
        }

    def count(self, limit: str, *subject: str) -> dict[str, str]:
        """Count one request; return the RateLimit headers of its response.

        ``subject`` is a caller's name, or an address and optionally an account.

        Raises:
            TooOften: the limit is exceeded.
        """
        item = self._items[limit]
        used, until = self._counters.count(rate_limit_key(limit, subject), item.seconds)
        if used > item.max_requests:
            raise item.error(used, until)
        return item.headers(used, until)

    def check(self, limit: str, *subject: str) -> None:
        """Raise TooOften where no request is left, without counting one."""
        item = self._items[limit]
        used, until = self._counters.peek(rate_limit_key(limit, subject))
        if used >= item.max_requests:
            raise item.error(used, until)

    def forget(self, limit: str, *subject: str) -> None:
        """Start counting from zero."""
        self._counters.forget(rate_limit_key(limit, subject))


class _Limit:
    """A number of requests in a number of seconds.

    Raises:
        ValueError: ``rate`` is not written like ``10/5minutes``.
    """

    def __init__(self, name: str, rate: str) -> None:
        match = _RATE.fullmatch(rate)
        if match is None:
            raise ValueError(f"not a rate such as 10/5minutes: {rate}")
        self._name, self.max_requests = name, int(match[1])
        self.seconds = int(match[2] or 1) * _SECONDS[match[3]]
        self._policy = f'"{name}";q={self.max_requests};w={self.seconds}'

    def headers(self, used: int, until: float) -> dict[str, str]:
        """Return the headers of draft-ietf-httpapi-ratelimit-headers-10."""
        seconds, left = max(0, math.ceil(until - time.time())), max(0, self.max_requests - used)
        return {
            "RateLimit-Policy": self._policy,
            "RateLimit": f'"{self._name}";r={left};t={seconds}',
        }

    def error(self, used: int, until: float) -> TooOften:
        return TooOften(max(1, math.ceil(until - time.time())), self.headers(used, until))


def rate_limit_key(limit: str, subject: tuple[str, ...]) -> tuple[str, ...]:
    """Return the key of a counter.

    IPv6 clients are counted by their /64 network, so that a new address does not reset the limit.
    """
    name, *rest = subject
    if name.count(":") >= 2:  # neither IPv4 nor the name of a caller
        with suppress(ValueError):
            name = str(IPv6Network((name.partition("%")[0], 64), strict=False))
    return limit, name, *rest


class FixedWindowCounters:
    """Counters of fixed windows; a window begins with its first request."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], tuple[int, float]] = {}

    def count(self, key: tuple[str, ...], seconds: int) -> tuple[int, float]:
        """Count one request; return the count of its window and the time of its end."""
        now = time.time()
        count, until = self._counts.get(key, (0, 0.0))
        if until <= now:
            self._evict(now)
            count, until = 0, now + seconds
        self._counts[key] = (count + 1, until)
        return count + 1, until

    def peek(self, key: tuple[str, ...]) -> tuple[int, float]:
        count, until = self._counts.get(key, (0, 0.0))
        return (count, until) if until > time.time() else (0, until)

    def forget(self, key: tuple[str, ...]) -> None:
        self._counts.pop(key, None)

    def _evict(self, now: float) -> None:
        """Drop expired windows once there are many, and all of them if that is not enough."""
        if len(self._counts) < MAX_COUNTERS:
            return
        self._counts = {
            key: (count, until) for key, (count, until) in self._counts.items() if until > now
        }
        if len(self._counts) >= MAX_COUNTERS:
            self._counts.clear()
