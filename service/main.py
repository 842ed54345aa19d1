"""The application: opens both stores in its lifespan and puts the features shared_writer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypedDict

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, ExceptionHandler

from service import health
from service.auth.access_tokens import Keyring
from service.auth.caller import Authenticator
from service.auth.rate_limits import RateLimiter
from service.core.errors import ServiceError
from service.core.logging import configure_logging
from service.core.metrics import Metrics
from service.core.signing import Signer
from service.documents.items import router as items
from service.documents.items import type_router as item_types
from service.documents.predictions.cloudevents import router as cloudevents
from service.documents.predictions.cloudevents.openapi import SCHEMAS as CLOUDEVENT_SCHEMAS
from service.documents.predictions.export import router as prediction_files
from service.documents.predictions.ingest import router as prediction_intake
from service.documents.predictions.ingest.limiter import IntakeLimiter
from service.documents.predictions.ingest.writer import SharedWriter
from service.documents.predictions.labels import router as labels
from service.documents.predictions.labels.openapi import SCHEMAS as LABEL_SCHEMAS
from service.documents.predictions.reading import router as predictions
from service.documents.predictions.tail import router as prediction_tails
from service.documents.retention import router as retention
from service.documents.retention.rule_cache import RetentionRuleCache
from service.relational.accounts import router as accounts
from service.relational.accounts import transfer_router as transfers
from service.relational.api_keys import router as api_keys
from service.relational.audit import router as audit
from service.relational.authenticator import SqlAuthenticator
from service.relational.catalog import bulk_router as product_bulk
from service.relational.catalog import category_router as categories
from service.relational.catalog import file_router as product_files
from service.relational.catalog import router as products
from service.relational.logins import me_router as me
from service.relational.logins import router as logins
from service.relational.orders import router as orders
from service.relational.posts import bulk_router as post_bulk
from service.relational.posts import comment_router as comments
from service.relational.posts import router as posts
from service.relational.projects import invitation_router as project_invitations
from service.relational.projects import member_router as project_members
from service.relational.projects import router as projects
from service.relational.reports import router as reports
from service.relational.tags import router as tags
from service.relational.users import router as users
from service.settings import Settings
from service.stores.mongo.change_streams import ChangeStreams, open_change_streams
from service.stores.mongo.client import MongoStore, open_mongo
from service.stores.sql.engine import SqlStore, open_sql
from service.web.conditional import NotModified, answer_not_modified
from service.web.middleware import Frontier
from service.web.openapi import with_schemas
from service.web.problems import answer_refusal
from service.web.routing import Directory, add_routes

FEATURES = (
    logins, me, api_keys, audit, users, tags, post_bulk, posts, comments, categories, product_files,
    product_bulk, products, orders, accounts, transfers, projects, project_members,
    project_invitations, reports, items, item_types, cloudevents, prediction_files,
    prediction_tails, prediction_intake, predictions, labels, retention,
)  # fmt: skip
MOST_FORM_BYTES = 65_536
FORMS = ("/v1/auth/token", "/v1/auth/revoke")
HANDLERS: dict[Any, ExceptionHandler] = {
    ServiceError: answer_refusal,
    RequestValidationError: answer_refusal,
    HTTPException: answer_refusal,
    NotModified: answer_not_modified,
}
DESCRIPTION = """
Rows in PostgreSQL, documents and prediction logs in MongoDB. A 2xx means the data is durable;
every refusal is `application/problem+json` and says what was wrong, where, and what to do.
"""


class State(TypedDict):
    """What the lifespan holds; found in ``request.state``."""

    sql: SqlStore
    mongo: MongoStore
    change_streams: ChangeStreams
    shutdown_event: asyncio.Event  # set when the process is about to end: what has no end ends then
    settings: Settings
    signer: Signer
    keyring: Keyring
    rates: RateLimiter
    authenticator: Authenticator
    shared_writer: SharedWriter
    intake_limiter: IntakeLimiter
    retention: RetentionRuleCache
    metrics: Metrics


class StoresNotConfigured(Exception):
    """There is a URL missing."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application for these settings, or for those of the environment.

    Raises:
        StoresNotConfigured: a store has no URL; `polystore serve` would start engines of its own.
    """
    settings = settings or Settings()
    if settings.database_url is None or settings.mongodb_url is None:
        raise StoresNotConfigured(
            "Set both DATABASE_URL and MONGODB_URL, or start with `polystore serve`."
        )
    configure_logging(level=settings.log_level, as_json=settings.log_json)
    secrets = settings.signing_secrets()
    metrics = Metrics()
    app = FastAPI(
        title="Polystore",
        version="0.1.0",
        description=DESCRIPTION,
        lifespan=_lifespan(settings, secrets, metrics),
        docs_url="/docs" if settings.docs else None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        swagger_ui_parameters={"persistAuthorization": True},
        generate_unique_id_function=_operation_id,
        redirect_slashes=False,
        # To look for somebody who traces takes 5 µs a request, and nobody does; see /metrics.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    for feature in FEATURES:
        add_routes(app, "/v1", feature.router)
    add_routes(app, "", health.router)
    app.middleware_stack = _layers(app, settings, metrics)
    _describe_problems(app)
    return app


def _layers(app: FastAPI, settings: Settings, metrics: Metrics) -> ASGIApp:
    """What a request goes through before its route, instead of what FastAPI would put there.

    Of its five layers two are of use: answers for what routes raise, and a place for what they
    open. The others answer a 500, trace, and bound bodies, which the frontier or nobody does here.
    """

    def within(router: ASGIApp) -> ASGIApp:
        return ExceptionMiddleware(AsyncExitStackMiddleware(router), handlers=HANDLERS)

    routes: ASGIApp = Directory(app.router, within)
    if settings.cors_origins:
        routes = CORSMiddleware(routes, **_cors(settings.cors_origins))
    return Frontier(
        routes,
        max_body_bytes=settings.max_body_bytes,
        body_seconds=settings.body_seconds,
        body_limits={
            **prediction_intake.body_limits(settings.max_batch_bytes),
            **labels.body_limits(settings.max_batch_bytes),
            **cloudevents.body_limits(settings.max_batch_bytes),
            **product_files.BODY_LIMITS,
            **dict.fromkeys(FORMS, MOST_FORM_BYTES),
        },
        metrics=metrics,
    )


def _cors(origins: str) -> dict[str, Any]:
    """Credentials travel in a header that pages set themselves, so cookies are not needed."""
    return {
        "allow_origins": [each.strip() for each in origins.split(",")],
        "allow_methods": ["GET", "POST", "PUT", "PATCH", "DELETE"],
        "allow_headers": ["*"],
        "expose_headers": [
            "ETag", "Location", "Link", "X-Request-Id", "Retry-After", "RateLimit",
            "RateLimit-Policy", "Idempotency-Replayed",
        ],
    }  # fmt: skip


def _lifespan(
    settings: Settings, secrets: list[bytes], metrics: Metrics
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
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
            sql.register_metrics(metrics)
            mongo.register_metrics(metrics)
            authenticator, shared_writer = (
                SqlAuthenticator(sql, keyring, rates),
                SharedWriter(mongo),
            )
            change_streams.register_metrics(metrics)
            rules = RetentionRuleCache(mongo, settings.retention_days)
            held = State(
                sql=sql,
                mongo=mongo,
                change_streams=change_streams,
                shutdown_event=asyncio.Event(),
                settings=settings,
                signer=Signer(secrets),
                keyring=keyring,
                rates=rates,
                authenticator=authenticator,
                shared_writer=shared_writer,
                intake_limiter=IntakeLimiter(settings.max_in_flight_bytes),
                retention=rules,
                metrics=metrics,
            )
            async with rules.refreshing():
                yield held
            await shared_writer.drain()
            await authenticator.drain()

    return lifespan


def _operation_id(route: APIRoute) -> str:
    """``users_create``: the endpoint's own name, which does not change when its address does."""
    return route.name


def _describe_problems(app: FastAPI) -> None:
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = prediction_intake.SCHEMAS | LABEL_SCHEMAS | CLOUDEVENT_SCHEMAS
            with_schemas(plain(), schemas | product_files.SCHEMAS)
        return plain()

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it
