"""The outermost layer, pure ASGI: a name and a log line for each request, and limits on its body.

Nothing gets past it as a bare 500: what nobody foresaw is logged whole and answered in our shape,
here and not in an exception handler, because only here the keep-alive connection survives it.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.errors import (
    AddressTooLong,
    BadRequest,
    BodyTooSlow,
    HeadersTooLarge,
    ServiceError,
    TooLarge,
)
from service.core.metrics import Metrics
from service.core.request_id import begin_request
from service.web.problems import problem

MOST_HEADER_BYTES, MOST_ADDRESS_BYTES = 16_384, 8_192
SECONDS_TO_LINGER = 0.5
SECONDS_FOR_A_BODY = 60.0  # where all of it is held: a byte now and then keeps no place for ever
# OWASP REST Security Cheat Sheet; a browser that shows an answer by itself runs nothing of it.
_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_CDN = "https://cdn.jsdelivr.net"  # where FastAPI's page of docs has Swagger UI from
_POLICY_OF_DOCS = (
    f"default-src 'self'; script-src 'self' 'unsafe-inline' {_CDN}; "
    f"style-src 'self' 'unsafe-inline' {_CDN}; img-src 'self' data: https://fastapi.tiangolo.com; "
    "frame-ancestors 'none'"
).encode()
_HSTS = (b"strict-transport-security", b"max-age=31536000")


class Frontier:
    """Wraps the application; see the module's docstring.

    ``body_limits`` maps a path to its limit in bytes where it is not ``max_body_bytes``;
    0 means that the endpoint itself keeps the limit, because it never holds the whole body.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        body_seconds: float,
        body_limits: Mapping[str, int],
        metrics: Metrics,
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.log = structlog.get_logger("service.http").bind()  # once, and not for each request
        self.max_body_bytes = max_body_bytes
        self.body_seconds = body_seconds
        self.body_limits = body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = _Visit(self, scope, receive, send)
        try:
            visit.check_head()
            await self.app(scope, visit.receive, visit.send)
        except ServiceError as error:
            await visit.refuse(error)
        except ClientDisconnect:
            pass  # nobody is left to be told
        except Exception:  # the last line of defence: logged whole, told nothing
            self.log.exception("unforeseen", path=scope["path"])
            await visit.refuse(ServiceError("It is in our log under this request_id."))
        finally:
            visit.tell()


class _Visit:
    """One request on its way through."""

    def __init__(self, frontier: Frontier, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.headers = dict[bytes, bytes](scope["headers"])
        self.request_id = begin_request(self.headers.get(b"x-request-id"))
        self.limit = frontier.body_limits.get(scope["path"], frontier.max_body_bytes)
        self.body_seconds = frontier.body_seconds
        self.metrics, self.log = frontier.metrics, frontier.log
        self.received = 0
        self.more = True  # of the body is still to come
        self.status = 0
        self.closes = False  # the connection, behind the answer
        self.began = time.perf_counter()

    def check_head(self) -> None:
        if sum(map(len, chain.from_iterable(self.scope["headers"]))) > MOST_HEADER_BYTES:
            raise HeadersTooLarge
        if len(self.scope["raw_path"]) + len(self.scope["query_string"]) > MOST_ADDRESS_BYTES:
            raise AddressTooLong
        if not self.headers.get(b"host"):
            raise BadRequest("The Host header is missing.")
        length = self.headers.get(b"content-length", b"0")
        if self.limit and length.isdigit() and int(length) > self.limit:
            raise self.too_large()

    def too_large(self) -> TooLarge:
        # The rest of the body is still on its way; only closing the connection ends it.
        detail = f"At most {self.limit} bytes are taken here."
        return TooLarge(detail, headers={"Connection": "close"})

    async def receive(self) -> Message:
        try:
            async with asyncio.timeout(self._patience() if self.more else None):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow(headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self.more = message.get("more_body", False)
            self.received += len(message.get("body", b""))
            if self.limit and self.received > self.limit:
                raise self.too_large()
        return message

    def _patience(self) -> float:
        if not self.limit:
            return self.body_seconds
        return min(self.body_seconds, self.began + SECONDS_FOR_A_BODY - time.perf_counter())

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], *self._added(dict(message["headers"]))]
        elif self.closes and self.more and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Lets the rest of the body come and go until the caller has read the answer.

        Closed at once, the connection would be reset, and the answer lost (RFC 9112 9.6).
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS_TO_LINGER):
                while (await self._receive()).get("more_body", False):
                    pass

    def _added(self, headers: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, bytes]]:
        """The request's name, how often its caller may come, and what browsers are to keep to."""
        self.closes = headers.get(b"connection") == b"close"
        yield b"x-request-id", self.request_id.encode()
        for name, value in self.scope.get("state", {}).get("told", {}).items():
            raw = name.lower().encode()
            if raw not in headers:
                yield raw, value.encode()
        if b"cache-control" not in headers:
            yield b"cache-control", b"private, no-cache"
        yield from _SAFE
        docs = self.scope["path"].startswith("/docs")
        yield b"content-security-policy", _POLICY_OF_DOCS if docs else _POLICY
        if self.scope.get("scheme") == "https":
            yield _HSTS

    async def refuse(self, error: ServiceError) -> None:
        if self.status:  # the answer has begun: all that is left is to end it
            return
        response = problem(error, self.scope["path"])
        await response(self.scope, self._receive, self.send)

    def tell(self) -> None:
        seconds = time.perf_counter() - self.began
        method, route = self.scope["method"], getattr(self.scope.get("route"), "path", None)
        self.metrics.request(method, route, self.status, seconds)
        self.log.info(
            "request",
            method=method,
            path=self.scope["path"],
            route=route,
            status=self.status,
            milliseconds=round(seconds * 1000, 2),
        )
