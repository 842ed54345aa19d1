"""One request on PostgreSQL: its deadline, its transaction, its retries and its Idempotency-Key.

A route class does this instead of a dependency with ``yield``, for three reasons:

- An endpoint that lost a deadlock has to run again.
- The row of an Idempotency-Key holds the response, so it belongs in the same transaction.
- A session abandoned at the deadline must not be closed under a statement that still runs on it.

The commit precedes the response.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import stamina
from fastapi import Request, Response

from service.core.circuit_breaker import Deadline
from service.core.errors import Unavailable
from service.stores.sql.engine import SqlStore
from service.stores.sql.errors import is_collision
from service.stores.sql.idempotency import Replay, recall, remember
from service.web.idempotency_key import RequestedKey, requested_key
from service.web.route import Endpoint, Route


class SqlRoute(Route):
    """Route class of PostgreSQL features: ``APIRouter(route_class=SqlRoute)``."""

    keeps_responses = True

    async def visit(self, request: Request, endpoint: Endpoint) -> Response:
        sql: SqlStore = request.state.sql
        # One time limit for both, because PostgreSQL authenticates as well.
        spent, seconds = request.state.authentication_seconds, self.policy.seconds
        deadline = sql.breaker.deadline(spent, seconds)
        work = _write if self.writes else _read
        return await sql.breaker.run(
            work(sql, request, endpoint, deadline), deadline, writes=self.writes
        )


class ReportRoute(Route):
    """Route class of reports: each runs in a read-only snapshot.

    The primary answers if the replica is down or none is configured.
    """

    async def visit(self, request: Request, endpoint: Endpoint) -> Response:
        sql: SqlStore = request.state.sql
        try:
            return await _run_report(sql, request, endpoint, primary=not sql.has_replica)
        except Unavailable as error:
            if not (sql.has_replica and error.store_fails):
                raise
        return await _run_report(sql, request, endpoint, primary=True)


async def _run_report(
    sql: SqlStore, request: Request, endpoint: Endpoint, *, primary: bool
) -> Response:
    breaker = sql.breaker if primary else sql.reporting_breaker
    deadline = breaker.deadline()
    work = _report(sql, request, endpoint, deadline, primary=primary)
    return await breaker.run(work, deadline, writes=False)


async def _report(
    sql: SqlStore, request: Request, endpoint: Endpoint, deadline: Deadline, *, primary: bool
) -> Response:
    async with sql.reporting(deadline, primary=primary) as session:
        request.state.sql_session = session
        return await endpoint(request)


async def _read(
    sql: SqlStore, request: Request, endpoint: Endpoint, deadline: Deadline
) -> Response:
    async def once() -> Response:
        async with sql.reading(deadline) as session:
            request.state.sql_session = session
            return await endpoint(request)

    return await _with_retries(once)


async def _write(
    sql: SqlStore, request: Request, endpoint: Endpoint, deadline: Deadline
) -> Response:
    key = await requested_key(request)
    return await _with_retries(partial(_write_once, sql, request, endpoint, deadline, key))


async def _with_retries(once: Callable[[], Awaitable[Response]]) -> Response:
    """Run ``once``; retry it after a collision.

    The first attempt runs outside of stamina, because its retry context is slower.
    """
    try:
        return await once()
    except Exception as error:
        if not is_collision(error):
            raise
    async for attempt in _attempts():
        with attempt:
            return await once()
    raise AssertionError("the attempts return or raise")


def _attempts() -> AsyncIterator[stamina.Attempt]:
    return stamina.retry_context(
        on=is_collision, attempts=3, wait_initial=0.01, wait_max=0.1, wait_jitter=0.05, timeout=None
    )


async def _write_once(
    sql: SqlStore,
    request: Request,
    endpoint: Endpoint,
    deadline: Deadline,
    key: RequestedKey | None,
) -> Response:
    """Return the endpoint's response from its own transaction, or the stored one of its key."""
    on_begin = None if key is None else partial(recall, wanted=key)
    try:
        async with sql.transaction(deadline, on_begin) as session:
            request.state.sql_session = session
            response = await endpoint(request)
            if key is not None:
                await remember(session, key, response)
            return response
    except Replay as replay:
        return replay.response
