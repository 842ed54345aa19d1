"""The layers around all routes, as pure ASGI; ``main.create_app`` puts them in order.

Starlette's CORSMiddleware stands outside of those that answer errors, so that a browser's page can
read these.
"""

import time
from dataclasses import dataclass

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.errors import ServiceError
from service.core.metrics import Metrics
from service.core.request_id import begin_request
from service.web.problems import problem

# OWASP REST Security Cheat Sheet: a browser that displays a response runs nothing of it.
_SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
API_HEADERS = [*_SECURITY_HEADERS, _POLICY]
_VARY = (b"vary", b"Accept-Encoding")
_NO_CACHE = (b"cache-control", b"private, no-cache")
_HSTS = (b"strict-transport-security", b"max-age=31536000")


@dataclass
class Draining:
    """Set by the server before it stops; see :class:`service.cli.server.Server`."""

    not_ready: bool = False
    """/readyz answers 503, so that a load balancer sends its requests elsewhere."""
    closes_connections: bool = False
    """Each response has ``Connection: close``, so that clients connect elsewhere."""


class RequestMiddleware:
    """Gives each request an id and a log line, and counts it in the metrics.

    The response has the id, and the state of the caller's rate limit, in its headers.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app, self._metrics = app, metrics
        self._log = structlog.get_logger("service.http").bind()  # once, not for each request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0
        request_id = begin_request(dict(scope["headers"]).get(b"x-request-id"))

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request_id.encode())]
                state = scope.get("state", {})
                if "draining" in state and state["draining"].closes_connections:
                    headers.append((b"connection", b"close"))
                rate_limit = state.get("rate_limit_headers")
                if rate_limit and b"ratelimit" not in dict(headers):  # an error brings its own
                    headers += [(k.lower().encode(), v.encode()) for k, v in rate_limit.items()]
                message["headers"] = headers
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - began)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = scope["method"], getattr(scope.get("route"), "path", None)
        self._metrics.request(method, route, status, seconds)
        self._log.info(
            "request",
            method=method,
            path=scope["path"],
            route=route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
        )


class SecurityHeadersMiddleware:
    """Adds the headers that browsers and caches obey; a page may bring a policy of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = dict(message["headers"])
                headers = [*_varied(message["headers"], own.get(b"vary")), *_SECURITY_HEADERS]
                if _POLICY[0] not in own:
                    headers.append(_POLICY)
                if _NO_CACHE[0] not in own:
                    headers.append(_NO_CACHE)
                if scope.get("scheme") == "https":
                    headers.append(_HSTS)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _varied(headers: list[tuple[bytes, bytes]], vary: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the headers with the coding in one Vary, so that a cache keeps a copy for each."""
    if vary is None:
        return [*headers, _VARY]
    if _VARY[1].lower() in vary.lower():
        return headers
    others = [header for header in headers if header[0] != _VARY[0]]
    return [*others, (_VARY[0], vary + b", " + _VARY[1])]


class ErrorMiddleware:
    """Answers an error that no handler expects with a 500, and logs it with its traceback.

    An exception handler for ``Exception`` would not do: Starlette raises the error again behind
    its response, and the server closes the keep-alive connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._log = structlog.get_logger("service.http").bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except ClientDisconnect:
            pass  # no response can reach the client
        except Exception:
            self._log.exception("unforeseen", path=scope["path"])
            if not started:
                error = ServiceError("Find the cause in the service's log, under this request_id.")
                await problem(error, scope["path"])(scope, receive, send)
