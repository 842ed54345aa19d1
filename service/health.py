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
from service.stores.mongo.client import MongoStore, list_indexes
from service.stores.mongo.errors import translate_mongo_error as translate_mongo
from service.stores.sql.engine import SqlStore
from service.stores.sql.errors import translate_sql_error as translate_sql
from service.stores.sql.migrations import current_head, expected_head
from service.web.openapi import problems
from service.web.route import Route
from service.web.schemas import ResponseModel

PROBE_SECONDS = 1.5

router = APIRouter(tags=["health"], route_class=Route)


class Alive(ResponseModel):
    status: Literal["alive"] = "alive"


class SqlHealth(ResponseModel):
    ok: bool
    detail: str
    schema_head: str | None = None
    expected_head: str | None = None


class MongoHealth(ResponseModel):
    ok: bool
    detail: str
    missing_indexes: list[str] = []


class Readiness(ResponseModel):
    status: Literal["ready", "not_ready"]
    postgresql: SqlHealth
    mongodb: MongoHealth


@router.get("/livez", dependencies=[PUBLIC])
async def livez() -> Alive:
    """Report that the process runs. A store that is down is no reason to restart it."""
    return Alive()


@router.get("/readyz", dependencies=[PUBLIC], responses={503: {"model": Readiness}})
async def readyz(request: Request, response: Response) -> Readiness:
    """Report whether both stores respond, the schema is at its head and the indexes exist."""
    sql, mongo = await asyncio.gather(
        _sql_health(request.state.sql), _mongo_health(request.state.mongo)
    )
    ready = sql.ok and mongo.ok
    response.status_code = 200 if ready else 503
    return Readiness(status="ready" if ready else "not_ready", postgresql=sql, mongodb=mongo)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    dependencies=[needs("metrics:read")],
    responses=problems(),
)
async def metrics(request: Request) -> Response:
    """Return figures for Prometheus: times by route, connections, and abandoned calls."""
    figures: Metrics = request.state.metrics
    return Response(figures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _sql_health(sql: SqlStore) -> SqlHealth:
    expected = expected_head()

    async def ask() -> str | None:
        async with sql.engine.connect() as connection:
            return await current_head(connection)

    try:
        head = await _in_time(ask(), sql.breaker)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        return SqlHealth(ok=False, detail=_detail_of(translate_sql(error)), expected_head=expected)
    ok = head == expected
    detail = "at its head" if ok else "the schema is behind: run `polystore migrate apply`"
    return SqlHealth(ok=ok, detail=detail, schema_head=head, expected_head=expected)


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
    return MongoHealth(ok=not missing, detail=detail, missing_indexes=missing)


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
