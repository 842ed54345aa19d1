"""Connections over HTTP/1.1: uvicorn's, with limits of their number and of the time for a head.

uvicorn waits for ever for a first request and for the end of a head, holds any number of
connections, and refuses what it cannot parse as text. Here, every refusal is a problem.
"""

import asyncio
import contextvars
import resource
from typing import cast

import httptools
import structlog
from typing_extensions import override
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from service.cli.close_delimited import close_delimited
from service.core.errors import BadRequest, HeadersTooLarge, ServiceError, Unavailable
from service.core.request_id import begin_request
from service.web.middleware.body_limit import LINGER_SECONDS
from service.web.middleware.requests import API_HEADERS
from service.web.problems import problem

# A head fits into a few packets: slow networks need a second or two. The time also covers new
# connections that stay silent; those kept alive may be silent for POLYSTORE_KEEP_ALIVE_SECONDS.
HEAD_SECONDS = 10.0
# A process answers some thousand requests per second, so a thousand clients at once are its limit.
MAX_CONNECTIONS = 1_000
# The application refuses heads above 24 KiB; this bounds the memory of those that never end.
MAX_UNFINISHED_HEAD_BYTES = 65_536


class MalformedRequest(BadRequest):
    code, title = "malformed_request", "Request is not valid HTTP/1.1"
    detail = "Send plain HTTP/1.1: one request line, valid headers, one length of the body."


class HeadTooSlow(BadRequest):
    status, code, title = 408, "head_too_slow", "Headers arrive too slowly"
    detail = f"Send the request line and all headers within {HEAD_SECONDS:.0f} seconds."


class TooManyConnections(Unavailable):
    code, title = "too_many_connections", "Too many connections are open"
    detail = "Send the request again later, over fewer connections."


def connection_limit() -> int:
    """Return the number of connections: half of the file descriptors are left to the stores."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, descriptors // 2)


class Connections(ServerState):
    """The connections of one process."""

    def __init__(self) -> None:
        super().__init__()
        self.limit = connection_limit()
        self.log = structlog.get_logger("service.http").bind()
        self._closed = 0

    def make_room(self, newest: "HttpProtocol") -> bool:
        """Close one connection for the ``newest`` if it is one too many; return False if none can.

        The one that waits longest for a head is closed, so that silent connections keep nobody
        out. If none waits, it is one whose body has not arrived; no request that runs is ended.
        """
        if len(self.connections) <= self.limit:
            return True
        others = [c for c in self._all() if c is not newest and not c.transport.is_closing()]
        waiting = [c for c in others if c.awaits_head] or [c for c in others if c.awaits_body]
        self._closed += 1
        if not waiting:
            return False
        min(waiting, key=lambda connection: connection.idle_since).transport.close()
        return True

    def _all(self) -> list["HttpProtocol"]:
        return cast("list[HttpProtocol]", list(self.connections))

    def close_late(self, now: float) -> None:
        """End the connections whose head has not arrived in time; ``now`` is the loop's time."""
        for connection in self._all():
            if connection.awaits_head and now - connection.idle_since > connection.head_seconds:
                connection.end_wait()
        if self._closed:  # one line, however many there are
            self.log.warning("too_many_connections", limit=self.limit, closed=self._closed)
            self._closed = 0


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    server_state: Connections

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        self._unfinished: object = None
        self._unfinished_bytes = 0
        if not self.server_state.make_room(self):
            self._refuse(TooManyConnections())

    @property
    def _last(self) -> RequestResponseCycle | None:
        return self.cycle  # None before the first request, which uvicorn does not declare

    @property
    def awaits_head(self) -> bool:
        return self._last is None or self._last.response_complete

    @property
    def awaits_body(self) -> bool:
        return self.cycle.more_body and not self.cycle.response_started

    @property
    def _has_begun_head(self) -> bool:
        scope: object = self.scope  # None before the first request
        return scope is not None and (self._last is None or self._last.scope is not scope)

    @property
    def head_seconds(self) -> float:
        """How long the next head may take, counted from ``idle_since``."""
        is_kept_alive = self._last is not None and not self._has_begun_head
        return self.timeout_keep_alive if is_kept_alive else HEAD_SECONDS

    def end_wait(self) -> None:
        """Refuse a head that has begun; close a connection without one, which awaits no answer."""
        if self._has_begun_head:
            self._refuse(HeadTooSlow())
        else:
            self.transport.close()

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # answered over HTTP/1.1; what follows may be anything
        except httptools.HttpParserError:
            self._refuse(MalformedRequest())
        else:
            if self._has_begun_head:
                self._count_unfinished(len(data))

    def _count_unfinished(self, received: int) -> None:
        """Count the bytes of a head after its first piece, which may be the end of a body."""
        if self._unfinished is not self.scope:
            self._unfinished, self._unfinished_bytes = self.scope, 0
            return
        self._unfinished_bytes += received
        if self._unfinished_bytes > MAX_UNFINISHED_HEAD_BYTES:
            self._refuse(HeadersTooLarge())

    @override
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["http_version"] == "1.0":
            app = close_delimited(app, cycle)
        super()._start_asgi_task(cycle, app)

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._last is not None:
            self.idle_since = self.loop.time()  # the time of its head, not of the silence before

    @override
    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # Fields behind a chunked body are not headers: proxies have not checked them.
        self.headers = _NoHeaders()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.idle_since = self.loop.time()

    def _refuse(self, error: ServiceError) -> None:
        """Answer and close, unless a response to an earlier request comes first."""
        if not self.awaits_head:
            if not self.cycle.more_body:
                self.cycle.keep_alive = False
                return
            if self.pipeline:
                return  # its body will be too slow
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        # The id of a request must not stay with the connection: later requests begin from it.
        contextvars.copy_context().run(self._write_problem, error)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.set_protocol(_Discarding(self))
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _write_problem(self, error: ServiceError) -> None:
        request_id = begin_request(None)
        self.server_state.log.info(
            "refused", code=error.code, status=error.status, client=self.client
        )
        response = problem(error, "/")
        headers = [
            *self.server_state.default_headers, *response.raw_headers, *API_HEADERS,
            (b"cache-control", b"private, no-cache"),
            (b"x-request-id", request_id.encode()), (b"connection", b"close"),
        ]  # fmt: skip
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[error.status] + lines + b"\r\n" + bytes(response.body))


class _NoHeaders(list[tuple[bytes, bytes]]):
    @override
    def append(self, _header: tuple[bytes, bytes]) -> None:
        """Drop it."""


class _Discarding(asyncio.Protocol):
    """Discards what arrives, because a reset would destroy the response (RFC 9112, 9.6)."""

    def __init__(self, refused: HttpProtocol) -> None:
        self._refused = refused

    @override
    def data_received(self, data: bytes) -> None: ...

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._refused.connection_lost(exc)
