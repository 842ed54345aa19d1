"""The application: opens both stores in its lifespan and puts the features together."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypedDict

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from service import health
from service.auth.access_tokens import Keyring
from service.auth.artifact_owners import ArtifactOwners
from service.auth.caller import Authenticator
from service.auth.rate_limits import RateLimiter
from service.core.errors import ServiceError
from service.core.event_loop import EventLoopLag
from service.core.logging import configure_logging
from service.core.memory import return_large_blocks
from service.core.metrics import Metrics
from service.core.signing import Signer
from service.documents import routers as documents
from service.documents.artifacts.contents import Transfers
from service.documents.jobs import background_work
from service.documents.predictions.ingest.limiter import IntakeLimiter
from service.documents.predictions.ingest.writer import SharedWriter
from service.documents.retention.rule_cache import RetentionRuleCache
from service.overview import router as overview
from service.relational import routers as relational
from service.relational.authenticator import SqlAuthenticator
from service.relational.mlflow.artifact_owners import SqlArtifactOwners
from service.relational.runs.artifact_removals import PurgedArtifacts
from service.settings import Settings, unknown_variables
from service.stores.mongo.background import background_jobs
from service.stores.mongo.change_streams import ChangeStreams, open_change_streams
from service.stores.mongo.client import MongoStore, open_mongo
from service.stores.sql.engine import SqlStore, open_sql
from service.stores.sql.pool import SQL_LOGGER
from service.stores.sql.processes import registered
from service.web.conditional import NotModified, answer_not_modified
from service.web.direct_route import DirectRouteMiddleware
from service.web.middleware.body_limit import BodyLimitMiddleware
from service.web.middleware.compression import CompressionMiddleware
from service.web.middleware.cross_origin import allow_origins
from service.web.middleware.head_requests import HeadMiddleware
from service.web.middleware.requests import (
    Draining,
    ErrorMiddleware,
    RequestMiddleware,
    SecurityHeadersMiddleware,
)
from service.web.mlflow.messages import ROOTS
from service.web.openapi_document.complete import complete_document
from service.web.openapi_document.introduction import INTRODUCTION, TAGS
from service.web.pages import welcome
from service.web.pages.documentation import add_documentation
from service.web.problems import answer_error
from service.web.route import add_routes
from service.web.streaming import LargeResponses, SlowReaderMiddleware


class State(TypedDict):
    """The objects that the lifespan opens; ``request.state`` has them."""

    sql: SqlStore
    mongo: MongoStore
    change_streams: ChangeStreams
    draining: Draining
    shutdown_event: asyncio.Event  # set before the process ends, so that endless responses end
    settings: Settings
    signer: Signer
    keyring: Keyring
    rates: RateLimiter
    authenticator: Authenticator
    artifact_owners: ArtifactOwners
    artifact_transfers: Transfers
    shared_writer: SharedWriter
    intake_limiter: IntakeLimiter
    large_responses: LargeResponses
    retention: RetentionRuleCache
    metrics: Metrics


class StoresNotConfigured(Exception):
    """A store has no URL."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Return the application for ``settings``, or for those of the environment.

    Raises:
        StoresNotConfigured: a store has no URL; `polystore serve` would start its own engines.
    """
    unknown = [] if settings else unknown_variables()  # the command line has reported its own
    settings = settings or Settings()
    if settings.database_url is None or settings.mongodb_url is None:
        raise StoresNotConfigured(
            "Set both DATABASE_URL and MONGODB_URL, or start with `polystore serve`."
        )
    configure_logging(level=settings.log_level, as_json=settings.log_json, loggers=(SQL_LOGGER,))
    for sentence in unknown:
        structlog.get_logger("service").warning("unknown_variable", detail=sentence)
    metrics = Metrics()
    app = FastAPI(
        title="Polystore",
        version="0.1.0",
        description=INTRODUCTION,
        openapi_tags=TAGS,
        servers=[{"url": "/"}],
        license_info={"name": "Apache 2.0", "identifier": "Apache-2.0"},
        lifespan=_lifespan(settings, settings.signing_secrets(), metrics),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # it would be serialized for each request; see add_documentation
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        # FastAPI would look for a tracer at each request (5 µs, measured); see /metrics.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    _add_routes(app, docs=settings.docs)
    for error in (ServiceError, RequestValidationError, HTTPException):
        app.add_exception_handler(error, answer_error)
    app.add_exception_handler(NotModified, answer_not_modified)
    _add_middleware(app, settings, metrics)
    _describe_schemas(app)
    return app


def _add_routes(app: FastAPI, *, docs: bool) -> None:
    for router in (*documents.HOT_ROUTERS, *relational.HOT_ROUTERS):
        add_routes(app, "/v1", router)
    add_routes(app, "", health.router)
    add_routes(app, "", welcome.router)
    if docs:
        add_documentation(app)
    for router in (*relational.ROUTERS, *documents.ROUTERS):
        add_routes(app, "/v1", router)
    add_routes(app, "", relational.MLFLOW_ROOT)
    add_routes(app, "", documents.MLFLOW_ROOT)
    add_routes(app, "/v1", overview.router)  # after /models/{model}/retention
    for root in ROOTS:
        for router in (*relational.MLFLOW_ROUTERS, *documents.MLFLOW_ROUTERS):
            add_routes(app, root, router)


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Add the layers around the routes; the last one added is the outermost."""
    app.add_middleware(DirectRouteMiddleware, routes=app.routes)
    app.add_middleware(
        BodyLimitMiddleware,
        max_body_bytes=settings.max_body_bytes,
        chunk_seconds=settings.body_seconds,
        limits=documents.body_limits(settings.max_batch_bytes) | relational.BODY_LIMITS,
        files=documents.FILES,
    )
    app.add_middleware(ErrorMiddleware)
    app.add_middleware(SlowReaderMiddleware)  # a slot is for the length without a coding
    app.add_middleware(CompressionMiddleware)
    app.add_middleware(HeadMiddleware)
    if settings.cors_origins:
        allow_origins(app, settings.cors_origins)
    app.add_middleware(SecurityHeadersMiddleware)
    app.add_middleware(RequestMiddleware, metrics=metrics)


def _lifespan(
    settings: Settings, secrets: list[bytes], metrics: Metrics
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        return_large_blocks()
        keyring = Keyring.of(settings)
        rates = RateLimiter(
            caller=settings.rate_caller,
            address=settings.rate_address,
            login=settings.rate_login,
            guess=settings.rate_guess,
        )
        async with (
            open_sql(settings) as sql,
            open_mongo(settings) as mongo,
            open_change_streams(settings) as change_streams,
        ):
            for store in (sql, mongo, change_streams):
                store.register_metrics(metrics)
            authenticator = SqlAuthenticator(sql, keyring, rates)
            shared_writer = SharedWriter(mongo)
            limiter = IntakeLimiter(settings.max_in_flight_bytes, mongo.breaker)
            metrics.watch("mongodb", "predictions_waiting", lambda: shared_writer.waiting)
            metrics.watch("mongodb", "batches_waiting", lambda: limiter.waiting)
            lag = EventLoopLag()
            metrics.watch_event_loop(lag)
            rules = RetentionRuleCache(mongo, settings.retention_days)
            jobs = background_work(mongo, settings, PurgedArtifacts(sql))
            async with (
                lag.sampled(),
                registered(sql),
                rules.refreshing(),
                background_jobs(mongo, jobs),
            ):
                yield State(
                    sql=sql,
                    mongo=mongo,
                    change_streams=change_streams,
                    draining=Draining(),
                    shutdown_event=asyncio.Event(),
                    settings=settings,
                    signer=Signer(secrets),
                    keyring=keyring,
                    rates=rates,
                    authenticator=authenticator,
                    artifact_owners=SqlArtifactOwners(sql),
                    artifact_transfers=Transfers(),
                    shared_writer=shared_writer,
                    large_responses=LargeResponses(),
                    intake_limiter=limiter,
                    retention=rules,
                    metrics=metrics,
                )
            await shared_writer.drain()
            await authenticator.drain()

    return lifespan


def _operation_id(route: APIRoute) -> str:
    """Return the endpoint's name, ``users_create``: it stays when the address changes."""
    return route.name


def _describe_schemas(app: FastAPI) -> None:
    """Add the schemas that are not Pydantic's, in FastAPI's documented way."""
    fastapi_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = documents.SCHEMAS | relational.SCHEMAS
            complete_document(fastapi_openapi(), app.routes, schemas)
        return fastapi_openapi()

    app.openapi = openapi  # type: ignore[method-assign] # as in FastAPI's manual
