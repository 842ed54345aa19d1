"""/livez, /readyz and /metrics: the process runs, both stores work, and figures of the process."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.exc import SQLAlchemyError

from mongo_indexes.collections import COLLECTIONS
from mongo_indexes.plan import diff
from service.auth.caller import PUBLIC, needs
from service.core.circuit_breaker import CircuitBreaker
from service.core.errors import ServiceError
from service.core.metrics import Metrics
from service.relational.metadata import METADATA
from service.stores.mongo.client import MongoStore, list_indexes
from service.stores.mongo.errors import translate_mongo_error as translate_mongo
from service.stores.sql.engine import SqlStore
from service.stores.sql.errors import translate_sql_error as translate_sql
from service.stores.sql.migrations import SchemaState, current_head, expected_head, state_of
from service.stores.sql.schema_check.missing_objects import MissingObjects, missing_objects
from service.web.openapi import problems
from service.web.route import Route
from service.web.schemas import ResponseModel

PROBE_SECONDS = 1.5
MAX_NAMES = 20
_DETAILS = {
    SchemaState.CURRENT: "at its head",
    SchemaState.AHEAD: "ahead: a newer release has migrated it; this one works with it",
    SchemaState.CONTRACT_PENDING: "complete; a contract step waits for `polystore migrate apply`",
    SchemaState.BEHIND: "the schema is behind: run `polystore migrate apply`",
    "incomplete": "columns are missing: see `polystore migrate check`",
}

router = APIRouter(tags=["health"], route_class=Route)


class Alive(ResponseModel):
    status: Literal["alive"] = "alive"


class SqlHealth(ResponseModel):
    """``missing``: columns, indexes and constraints that do not exist; the first 20."""

    ok: bool
    detail: str
    schema_state: SchemaState | None = None
    schema_head: str | None = None
    expected_head: str | None = None
    missing: list[str] = []


class MongoHealth(ResponseModel):
    ok: bool
    detail: str
    missing_indexes: list[str] = []


class Readiness(ResponseModel):
    """``degraded``: requests are answered, but an index or a constraint is missing."""

    status: Literal["ready", "degraded", "not_ready"]
    reason: Literal["shutting down"] | None = None
    postgresql: SqlHealth
    mongodb: MongoHealth


@router.get("/livez", dependencies=[PUBLIC], responses=problems())
async def livez() -> Alive:
    """Report that the process runs. A store that is down is no reason to restart it."""
    return Alive()


@router.get("/readyz", dependencies=[PUBLIC], responses={**problems(), 503: {"model": Readiness}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Report whether both stores respond and the schema has what this release needs.

    It fails from SIGTERM on, a few seconds before the process accepts no connection. A missing
    index does not fail it, because it would fail in all processes together.
    """
    sql, mongo = await asyncio.gather(
        _sql_health(request.state.sql), _mongo_health(request.state.mongo)
    )
    is_draining = request.state.draining.not_ready
    answer = Readiness(
        status=_status(sql, mongo, is_draining=is_draining),
        reason="shutting down" if is_draining else None,
        postgresql=sql,
        mongodb=mongo,
    )
    response.status_code = 503 if answer.status == "not_ready" else 200
    return answer


def _status(
    sql: SqlHealth, mongo: MongoHealth, *, is_draining: bool
) -> Literal["ready", "degraded", "not_ready"]:
    if is_draining or not (sql.ok and mongo.ok):
        return "not_ready"
    return "degraded" if sql.missing or mongo.missing_indexes else "ready"


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    dependencies=[needs("metrics:read")],
    responses=problems(),
)
async def metrics(request: Request) -> Response:
    """Return figures for Prometheus: times by route, connections, queues, circuit breakers."""
    figures: Metrics = request.state.metrics
    return Response(figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _sql_health(sql: SqlStore) -> SqlHealth:
    async def ask() -> tuple[str | None, MissingObjects]:
        async with sql.engine.connect() as connection:
            head = await current_head(connection)
            return head, await missing_objects(connection, METADATA)

    expected = expected_head()
    try:
        head, missing = await _in_time(ask(), sql.breaker)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return SqlHealth(ok=False, detail=_detail_of(translate_sql(error)), expected_head=expected)
    state = state_of(head)
    behind = state is SchemaState.BEHIND
    return SqlHealth(
        ok=not (behind or missing.columns),
        detail=_DETAILS["incomplete" if missing.columns and not behind else state],
        schema_state=state,
        schema_head=head,
        expected_head=expected,
        missing=[] if behind else [*missing.columns, *missing.others][:MAX_NAMES],
    )


async def _mongo_health(mongo: MongoStore) -> MongoHealth:
    async def ask() -> list[str]:
        missing = []
        for declared in COLLECTIONS:
            existing = await list_indexes(mongo.database[declared.name])
            steps = diff(declared, existing, {})
            missing += [step.target for step in steps if step.missing]
        return missing

    try:
        missing = await _in_time(ask(), mongo.breaker)
    except Exception as error:  # a probe reports every error
        return MongoHealth(ok=False, detail=_detail_of(translate_mongo(error)))
    detail = "indexes are missing: run `polystore indexes apply`" if missing else "indexes in place"
    return MongoHealth(ok=True, detail=detail, missing_indexes=missing)


async def _in_time(work: Coroutine[Any, Any, Any], breaker: CircuitBreaker) -> Any:
    """Detach the work at the deadline, because cancelling a hung call can take seconds."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait((task,), timeout=PROBE_SECONDS)
    finally:
        if not task.done():
            breaker.detach(task)
    if not done:
        raise TimeoutError
    return task.result()


def _detail_of(error: ServiceError | None) -> str:
    return error.message if error is not None else "does not answer"
