"""The circuit of a store that fails or hangs, and the time limit of a call."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from service.core import circuit_breaker
from service.core.circuit_breaker import (
    MAX_FAILURES,
    OPEN_SECONDS,
    PAUSE_SECONDS,
    WAITED,
    Circuit,
    CircuitBreaker,
)
from service.core.errors import OutcomeUnknown, QueryTooSlow, ServiceError, Unavailable
from service.main import State
from service.stores.sql.errors import SqlBusy
from tests.relational.users.factories import make_users


class Clock:
    """The clock of the circuits, which a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(circuit_breaker, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def passes(circuit: Circuit) -> bool:
    try:
        circuit.check()
    except Unavailable:
        return False
    return True


def test_circuit_one_failure_in_silence_opens_it(clock: Clock) -> None:
    circuit = Circuit("MongoDB")
    circuit.record_failure(clock.now - 1.0)
    assert (circuit.is_open, passes(circuit)) == (True, False)


def test_circuit_slow_call_beside_answers_leaves_it_closed(clock: Clock) -> None:
    circuit = Circuit("MongoDB")
    circuit.record_success()
    clock.now += 0.9
    circuit.record_failure(clock.now - 1.8)
    assert (circuit.is_open, passes(circuit)) == (False, True)


def test_circuit_refused_connections_open_it_at_the_fifth(clock: Clock) -> None:
    circuit = Circuit("MongoDB")
    for number in range(MAX_FAILURES):
        assert passes(circuit), number
        circuit.record_failure(clock.now)
    assert not passes(circuit)


def test_circuit_open_lets_one_call_a_second_pass(clock: Clock) -> None:
    circuit = Circuit("MongoDB")
    circuit.record_failure(clock.now - 1.0)
    clock.now += PAUSE_SECONDS
    assert [passes(circuit) for _ in range(3)] == [True, False, False]
    clock.now += OPEN_SECONDS
    assert [passes(circuit) for _ in range(3)] == [True, False, False]
    circuit.record_success()
    assert [passes(circuit) for _ in range(3)] == [True] * 3


def test_circuit_after_a_failed_probe_refuses_at_once(clock: Clock) -> None:
    circuit = Circuit("MongoDB")
    circuit.record_failure(clock.now - 1.0)
    clock.now += PAUSE_SECONDS
    assert passes(circuit)
    began, clock.now = clock.now, clock.now + 1.8
    circuit.record_failure(began)
    assert not passes(circuit), "a client alone would wait for each of its requests"
    clock.now += PAUSE_SECONDS
    assert passes(circuit)


async def test_queue_ends_when_the_circuit_opens(clock: Clock) -> None:
    circuit, entered = Circuit("MongoDB"), asyncio.Event()

    async def wait() -> None:
        async with circuit.queue(None):
            entered.set()
            await asyncio.Event().wait()

    waiting = [asyncio.create_task(wait()) for _ in range(3)]
    async with asyncio.timeout(30):
        await entered.wait()
        circuit.record_failure(clock.now)  # one of five: they go on waiting
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        circuit.record_failure(clock.now - 1.0)
        circuit.record_failure(clock.now - 1.0)  # another one, before they are gone
        errors = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in errors] == [Unavailable] * 3
    with pytest.raises(Unavailable):
        await wait()


async def test_queue_past_its_own_limit_times_out() -> None:
    with pytest.raises(TimeoutError):
        async with Circuit("MongoDB").queue(0.0):
            await asyncio.Event().wait()


async def test_deadline_of_a_request_is_one_for_all_waits(clock: Clock) -> None:
    breaker = CircuitBreaker("PostgreSQL", 1.8, lambda _error: None)
    breaker.deadline(spent=1.7)
    with pytest.raises(Unavailable, match="in time"):
        breaker.deadline(spent=1.8)
    waited = WAITED.set(0.2)
    try:
        with pytest.raises(Unavailable, match="in time"):
            breaker.deadline(spent=1.7)
    finally:
        WAITED.reset(waited)


@pytest.mark.parametrize(("writes", "error"), [(True, OutcomeUnknown), (False, Unavailable)])
async def test_call_past_its_deadline_is_answered_and_goes_on(
    writes: bool, error: type[Exception]
) -> None:
    breaker, answered = CircuitBreaker("MongoDB", 0.01, lambda _error: None), asyncio.Event()
    deadline = breaker.deadline()

    async def hang() -> None:
        deadline.start()
        await answered.wait()

    with pytest.raises(error) as raised:
        await breaker.run(hang(), deadline, writes=writes)
    assert type(raised.value) is error
    assert breaker.detached == 1
    answered.set()
    await breaker.drain()
    assert breaker.detached == 0


@pytest.mark.parametrize(
    ("writes", "code"), [(False, QueryTooSlow.code), (True, OutcomeUnknown.code)]
)
async def test_call_cancelled_by_its_store_is_named_by_what_it_did(
    state: State, *, writes: bool, code: str
) -> None:
    """To narrow the filters helps a query, not a write."""

    async def too_slow(session: AsyncSession) -> None:
        await session.execute(text("SET statement_timeout = 1"))
        try:
            await session.execute(text("SELECT pg_sleep(60)"))
        finally:
            await session.invalidate()  # the setting ends with the connection

    with pytest.raises(ServiceError) as caught:
        await state["sql"].run(too_slow, writes=writes)
    assert caught.value.code == code


async def test_full_pool_of_a_store_that_hangs_is_no_busy_store(clock: Clock) -> None:
    """So that credentials are found in the cache, although calls that hang fill the pool."""

    async def ask() -> Exception:
        async def find_no_connection() -> None:
            raise TimeoutError

        with pytest.raises(Unavailable) as raised:
            await breaker.run(find_no_connection(), breaker.deadline(), writes=False)
        return raised.value

    breaker = CircuitBreaker("PostgreSQL", 1.8, lambda _error: SqlBusy())
    assert isinstance(await ask(), SqlBusy)
    breaker.circuit.record_failure(clock.now - 1.0)
    assert type(await ask()) is Unavailable


async def test_circuit_lock_timeouts_do_not_open_it(
    client: httpx2.AsyncClient, state: State, default_timeouts: None
) -> None:
    locked, free = await make_users(client, {}, {})
    async with state["sql"].engine.connect() as elsewhere:
        await elsewhere.execute(
            text("SELECT 1 FROM users WHERE id = :id FOR UPDATE"), {"id": locked["id"]}
        )
        responses = await asyncio.gather(
            *(client.patch(f"/v1/users/{locked['id']}", json={"age": n}) for n in range(8))
        )
        assert {response.json()["code"] for response in responses} == {"locked"}
        assert (await client.get(f"/v1/users/{free['id']}")).status_code == 200


async def test_deadlock_timeout_is_shorter_than_lock_timeout(
    state: State, default_timeouts: None
) -> None:
    setting = "SELECT current_setting('{}')::interval"
    async with state["sql"].engine.connect() as connection:
        detected = await connection.scalar(text(setting.format("deadlock_timeout")))
        given_up = await connection.scalar(text(setting.format("lock_timeout")))
    assert timedelta(0) < detected <= given_up / 2
