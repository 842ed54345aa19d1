"""The middlewares around all routes."""

import json
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import CapturingLogger

from service.core.metrics import Metrics
from service.main import State
from service.web.middleware.requests import (
    ErrorMiddleware,
    RequestMiddleware,
    SecurityHeadersMiddleware,
)
from tests.documents.predictions.live_server import connect, read_answer, serving


@pytest.mark.parametrize("offered", ["abc", "A-1_2.3", "x" * 64])
async def test_request_id_of_the_client_is_kept(client: httpx2.AsyncClient, offered: str) -> None:
    response = await client.get("/v1/items", headers={"X-Request-Id": offered})
    assert response.headers["x-request-id"] == offered


@pytest.mark.parametrize("offered", ["", "a b", "x" * 65, '"}', "ü", "a\tb"])
async def test_request_id_unsafe_is_replaced(client: httpx2.AsyncClient, offered: str) -> None:
    header = {b"X-Request-Id": offered.encode()}
    response = await client.get("/v1/items/x", headers=header)
    assert response.headers["x-request-id"] not in ("", offered)
    assert len(response.headers["x-request-id"]) == 36


async def send_through(app: ASGIApp, **scope: Any) -> list[Any]:
    """Return the messages that an application sends through the middlewares."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    app = SecurityHeadersMiddleware(ErrorMiddleware(app))
    request = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "raw_path": b"/x",
        "query_string": b"",
        "headers": [(b"host", b"x")],
    }
    await RequestMiddleware(app, metrics=Metrics())({**request, **scope}, receive, send)
    return sent


async def test_unexpected_error_is_a_problem_without_its_message(
    logged: CapturingLogger,
) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("SELECT password FROM users")

    start, body = await send_through(broken)
    assert [call.method_name for call in logged.calls] == ["exception", "info"]
    problem = json.loads(body["body"])
    assert (start["status"], problem["code"]) == (500, "internal_error")
    assert dict(start["headers"])[b"x-frame-options"] == b"DENY"
    assert dict(start["headers"])[b"x-request-id"].decode() == problem["request_id"]
    assert b"password" not in body["body"]


async def test_unexpected_error_after_start_sends_nothing_more(logged: CapturingLogger) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    sent = await send_through(broken)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_unexpected_error_keeps_the_connection_usable(
    state: State, reset_stores: None, logged: CapturingLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    async with serving(state) as port:
        reader, writer = await connect(port)
        get = b"GET /v1/item_types HTTP/1.1\r\nHost: x\r\n\r\n"
        with monkeypatch.context() as patched:
            patched.setattr("service.documents.items.item_types.ItemTypeRepository.list", broken)
            writer.write(get)
            assert (await read_answer(reader)).status == 500
        writer.write(get)
        assert (await read_answer(reader)).status == 200
        writer.close()


async def test_lifespan_scope_is_passed_on() -> None:
    scopes = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope["type"])

    assert await send_through(app, type="lifespan") == []
    assert scopes == ["lifespan"]


@pytest.mark.parametrize(
    ("scope", "headers"),
    [
        ({}, {b"cache-control": b"private, no-cache"}),
        ({"scheme": "https"}, {b"strict-transport-security": b"max-age=31536000"}),
        ({"state": {"rate_limit_headers": {"RateLimit": "r"}}}, {b"ratelimit": b"r"}),
    ],
    ids=["plain", "https", "rate limit"],
)
async def test_response_headers_by_scope(
    logged: CapturingLogger, scope: dict[str, Any], headers: dict[bytes, bytes]
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    (start,) = await send_through(app, **scope)
    names = {
        b"x-request-id", b"cache-control", b"x-content-type-options", b"x-frame-options",
        b"referrer-policy", b"content-security-policy", b"vary",
    }  # fmt: skip
    assert dict(start["headers"]).keys() == names | headers.keys()
    assert dict(start["headers"]).items() >= headers.items()


@pytest.mark.parametrize(
    ("own", "vary"),
    [
        ([], b"Accept-Encoding"),
        ([(b"vary", b"Origin")], b"Origin, Accept-Encoding"),
        ([(b"vary", b"accept-encoding, Origin")], b"accept-encoding, Origin"),
    ],
)
async def test_coding_is_in_one_vary(
    logged: CapturingLogger, own: list[tuple[bytes, bytes]], vary: bytes
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})

    (start,) = await send_through(app)
    assert [value for name, value in start["headers"] if name == b"vary"] == [vary]


async def test_page_may_bring_a_policy_of_its_own(logged: CapturingLogger) -> None:
    own = [(b"content-security-policy", b"default-src 'self'")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})

    (start,) = await send_through(app)
    assert [header for header in start["headers"] if header[0] == own[0][0]] == own


async def test_response_headers_of_an_error_are_kept(logged: CapturingLogger) -> None:
    own = [(b"ratelimit", b"r=0"), (b"cache-control", b"no-store")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 429, "headers": own})

    (start,) = await send_through(app, state={"rate_limit_headers": {"RateLimit": "r=1"}})
    names = [name for name, _ in start["headers"]]
    assert [names.count(name) for name, _ in own] == [1, 1]
    assert dict(start["headers"]).items() >= dict(own).items()
