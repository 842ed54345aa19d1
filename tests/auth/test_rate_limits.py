"""How often one may ask."""

from types import SimpleNamespace

import pytest

from service.auth import rate_limits as rates
from service.auth.rate_limits import RateLimiter, TooOften


class Clock(SimpleNamespace):
    """Stands where the module finds ``time``."""

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


def refused(limits: RateLimiter, limit: str, *who: str) -> TooOften:
    with pytest.raises(TooOften) as refusal:
        limits.count(limit, *who)
    return refusal.value


def test_each_request_is_counted_and_told(limits: RateLimiter, clock: Clock) -> None:
    assert limits.count("caller", "a") == {
        "RateLimit-Policy": '"caller";q=3;w=60',
        "RateLimit": '"caller";r=2;t=60',
    }
    clock.now += 20.5
    assert limits.count("caller", "a")["RateLimit"] == '"caller";r=1;t=40'
    assert limits.count("caller", "a")["RateLimit"] == '"caller";r=0;t=40'


def test_one_too_many_is_told_when_to_come_again(limits: RateLimiter, clock: Clock) -> None:
    for _ in range(2):
        limits.count("login", "a")
    clock.now += 299.5
    refusal = refused(limits, "login", "a")
    assert refusal.headers == {
        "Retry-After": "1",
        "RateLimit-Policy": '"login";q=2;w=300',
        "RateLimit": '"login";r=0;t=1',
    }
    assert (refusal.status, refusal.code) == (429, "too_often")


def test_a_window_ends_and_those_who_were_refused_do_not_prolong_it(
    limits: RateLimiter, clock: Clock
) -> None:
    for _ in range(3):
        limits.count("caller", "a")
    for _ in range(5):
        clock.now += 10
        refused(limits, "caller", "a")
    clock.now += 10
    assert limits.count("caller", "a")["RateLimit"] == '"caller";r=2;t=60'


def test_nobody_counts_for_somebody_else_nor_one_limit_for_another(limits: RateLimiter) -> None:
    limits.count("guess", "10.0.0.1", "ada")
    refused(limits, "guess", "10.0.0.1", "ada")
    limits.count("guess", "10.0.0.2", "ada")
    limits.count("guess", "10.0.0.1", "bob")
    limits.count("caller", "10.0.0.1", "ada")


def test_who_is_forgotten_begins_anew(limits: RateLimiter) -> None:
    limits.count("guess", "a", "b")
    limits.forget("guess", "a", "b")
    limits.count("guess", "a", "b")
    refused(limits, "guess", "a", "b")


def test_a_check_counts_nothing(limits: RateLimiter) -> None:
    for _ in range(9):
        limits.check("guess", "a")
    limits.count("guess", "a")
    with pytest.raises(TooOften) as refusal:
        limits.check("guess", "a")
    assert refusal.value.headers["Retry-After"] == "3600"


def test_there_is_an_end_to_the_counters(
    monkeypatch: pytest.MonkeyPatch, limits: RateLimiter, clock: Clock
) -> None:
    monkeypatch.setattr(rates, "MAX_COUNTERS", 10)
    counts = limits._counters
    for number in range(100):
        limits.count("caller", str(number))
        assert len(counts._counts) <= 10


def test_those_that_ran_out_make_room_first(
    monkeypatch: pytest.MonkeyPatch, limits: RateLimiter, clock: Clock
) -> None:
    monkeypatch.setattr(rates, "MAX_COUNTERS", 10)
    limits.count("guess", "kept")
    for number in range(9):
        limits.count("address", str(number))
    clock.now += 2
    limits.count("address", "one more")
    refused(limits, "guess", "kept")


def test_ipv6_is_counted_by_its_network() -> None:
    limits = RateLimiter(caller="9/minute", address="2/minute", login="9/minute", guess="9/minute")
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2"):
        limits.count("address", address)
    with pytest.raises(TooOften):
        limits.count("address", "2001:db8:1:2::3%eth0")
    limits.count("address", "2001:db8:1:3::1")
    limits.count("address", "not::an::address")
