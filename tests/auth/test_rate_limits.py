"""Rate limits."""

from types import SimpleNamespace

import pytest

from service.auth import rate_limits as rates
from service.auth.rate_limits import RateLimiter, TooOften


class Clock(SimpleNamespace):
    """Replaces the module's ``time``."""

    def __init__(self) -> None:
        super().__init__(now=1_000_000.0)

    def time(self) -> float:
        now: float = self.now
        return now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(rates, "time", made)
    return made


@pytest.fixture
def limits(clock: Clock) -> RateLimiter:
    return RateLimiter(caller="3/minute", address="2/second", login="2/5minutes", guess="1/hour")


def error_of(limits: RateLimiter, limit: str, *client: str) -> TooOften:
    with pytest.raises(TooOften) as error:
        limits.count(limit, *client)
    return error.value


def test_count_returns_rate_limit_headers(limits: RateLimiter, clock: Clock) -> None:
    assert limits.count("caller", "a") == {
        "RateLimit-Policy": '"caller";q=3;w=60',
        "RateLimit": '"caller";r=2;t=60',
    }
    clock.now += 20.5
    assert limits.count("caller", "a")["RateLimit"] == '"caller";r=1;t=40'
    assert limits.count("caller", "a")["RateLimit"] == '"caller";r=0;t=40'


def test_count_over_limit_raises_with_retry_after(limits: RateLimiter, clock: Clock) -> None:
    for _ in range(2):
        limits.count("login", "a")
    clock.now += 299.5
    error = error_of(limits, "login", "a")
    assert error.headers == {
        "Retry-After": "1",
        "RateLimit-Policy": '"login";q=2;w=300',
        "RateLimit": '"login";r=0;t=1',
    }
    assert (error.status, error.code) == (429, "too_often")


def test_window_ends_in_spite_of_rejected_requests(limits: RateLimiter, clock: Clock) -> None:
    for _ in range(3):
        limits.count("caller", "a")
    for _ in range(5):
        clock.now += 10
        error_of(limits, "caller", "a")
    clock.now += 10
    assert limits.count("caller", "a")["RateLimit"] == '"caller";r=2;t=60'


def test_counters_are_separate_by_limit_and_client(limits: RateLimiter) -> None:
    limits.count("guess", "10.0.0.1", "ada")
    error_of(limits, "guess", "10.0.0.1", "ada")
    limits.count("guess", "10.0.0.2", "ada")
    limits.count("guess", "10.0.0.1", "bob")
    limits.count("caller", "10.0.0.1", "ada")


def test_forget_starts_a_new_window(limits: RateLimiter) -> None:
    limits.count("guess", "a", "b")
    limits.forget("guess", "a", "b")
    limits.count("guess", "a", "b")
    error_of(limits, "guess", "a", "b")


def test_check_counts_nothing(limits: RateLimiter) -> None:
    for _ in range(9):
        limits.check("guess", "a")
    limits.count("guess", "a")
    with pytest.raises(TooOften) as error:
        limits.check("guess", "a")
    assert error.value.headers["Retry-After"] == "3600"


def test_counters_never_exceed_the_maximum(
    monkeypatch: pytest.MonkeyPatch, limits: RateLimiter, clock: Clock
) -> None:
    monkeypatch.setattr(rates, "MAX_COUNTERS", 10)
    counts = limits._counters
    for number in range(100):
        limits.count("caller", str(number))
        assert len(counts._counts) <= 10


def test_counters_full_removes_ended_windows_first(
    monkeypatch: pytest.MonkeyPatch, limits: RateLimiter, clock: Clock
) -> None:
    monkeypatch.setattr(rates, "MAX_COUNTERS", 10)
    limits.count("guess", "kept")
    for number in range(9):
        limits.count("address", str(number))
    clock.now += 2
    limits.count("address", "one more")
    error_of(limits, "guess", "kept")


def test_ipv6_is_counted_by_its_network() -> None:
    limits = RateLimiter(caller="9/minute", address="2/minute", login="9/minute", guess="9/minute")
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2"):
        limits.count("address", address)
    with pytest.raises(TooOften):
        limits.count("address", "2001:db8:1:2::3%eth0")
    limits.count("address", "2001:db8:1:3::1")
    limits.count("address", "not::an::address")
