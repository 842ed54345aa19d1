"""The application as a whole: addresses, CORS, and what users add to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import SecretStr
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send
from structlog.testing import CapturingLogger

from service.auth.caller import Access, Caller
from service.main import create_app
from service.settings import Settings
from tests.fixtures.client import ADMINISTRATOR, FakeAuthenticator, client_as, client_for

PAGE = "https://page.example"


@pytest.fixture(scope="module")
async def cors_client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without credentials of an application that pages may use."""
    app = create_app(settings.model_copy(update={"cors_origins": PAGE}))
    async with app.router.lifespan_context(app) as state, client_for(app, state) as client:
        yield client


async def test_address_with_trailing_slash_is_404(client: httpx2.AsyncClient) -> None:
    """A redirect would lead to the host of the Host header."""
    response = await client.get("/v1/items/", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (404, "no_such_address")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/v1/predictions", {}, 401),
        ("POST", "/v1/predictions/stream", {}, 401),
        ("GET", "/v1/items", {}, 401),
        ("GET", "/v1/nowhere", {}, 404),
        ("PUT", "/v1/predictions", {}, 405),
        ("POST", "/v1/items", {"Content-Length": "99999999"}, 413),
    ],
)
async def test_error_has_cors_headers(
    cors_client: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    response = await cors_client.request(method, path, headers={"Origin": PAGE, **headers})
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == PAGE


async def test_page_can_read_every_documented_header(
    cors_client: httpx2.AsyncClient, app: FastAPI
) -> None:
    response = await cors_client.get("/livez", headers={"Origin": PAGE})
    exposed = set(response.headers["access-control-expose-headers"].split(", "))
    operations = [item for path in app.openapi()["paths"].values() for item in path.values()]
    answers = [answer for operation in operations for answer in operation["responses"].values()]
    documented = {name for answer in answers for name in answer.get("headers", {})}
    assert "Complete-Until" in documented
    assert {*documented, "WWW-Authenticate", "Accept-Patch", "Content-Disposition"} <= exposed


async def test_page_can_read_the_error_of_a_failed_export(settings: Settings) -> None:
    """The error of a response that would be streamed has CORS headers too."""
    nowhere = {
        "mongodb_url": SecretStr("mongodb://127.0.0.1:9/"),
        "mongo_operation_seconds": 0.2,
    }
    app = create_app(settings.model_copy(update={"cors_origins": PAGE, **nowhere}))
    async with (
        app.router.lifespan_context(app) as state,
        client_as(ADMINISTRATOR, app, state) as client,
    ):
        response = await client.get("/v1/predictions/export", headers={"Origin": PAGE})
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["access-control-allow-origin"] == PAGE


async def test_unexpected_error_has_cors_headers(
    settings: Settings, logged: CapturingLogger
) -> None:
    app = create_app(settings.model_copy(update={"cors_origins": PAGE}))
    async with raising_client(app, RuntimeError) as client:
        response = await client.get("/v1/items", headers={"Origin": PAGE})
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert response.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("path", ["/v1/items", "/v1/predictions"], ids=["FastAPI", "direct"])
async def test_added_exception_handler_is_called(settings: Settings, path: str) -> None:
    app = create_app(settings)
    app.add_exception_handler(Teapot, answer_teapot)
    async with raising_client(app, Teapot) as client:
        assert (await client.get(path)).status_code == 418


async def test_added_middleware_is_called(settings: Settings) -> None:
    app = create_app(settings)
    app.add_middleware(GZipMiddleware, minimum_size=1)
    async with raising_client(app, Teapot) as client:
        response = await client.get("/livez", headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert response.json() == {"status": "alive"}


class Teapot(Exception):
    """An error of a user's own."""


async def answer_teapot(_request: Request, _error: Exception) -> Response:
    return Response(status_code=418)


@asynccontextmanager
async def raising_client(app: FastAPI, error: type[Exception]) -> AsyncIterator[httpx2.AsyncClient]:
    """Yield a client of ``app`` for which authentication raises ``error``."""

    class RaisingAuthenticator(FakeAuthenticator):
        async def authenticate(self, request: Request, access: Access) -> Caller:
            if access.asks:
                raise error
            return await super().authenticate(request, access)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "state": state}, receive, send)

    state = {"authenticator": RaisingAuthenticator(ADMINISTRATOR)}
    transport = httpx2.ASGITransport(with_state)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client
