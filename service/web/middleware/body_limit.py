"""Limits of what is read of a request: its address, its headers and its body."""

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.errors import (
    AddressTooLong,
    BadRequest,
    BodyTooSlow,
    HeadersTooLarge,
    ServiceError,
    TooLarge,
)
from service.web.lists.cursors import MAX_CURSOR
from service.web.lists.page_numbers import address_bytes
from service.web.problems import problem

MAX_HEADER_BYTES, MAX_ADDRESS_BYTES = 16_384, 8_192
# Of the parameters that find a page, which the service adds to an address that it took.
MAX_PLACE_BYTES = MAX_CURSOR + 200
LINGER_SECONDS = 0.5
WHOLE_BODY_SECONDS = 60.0  # because a byte now and then would keep a slot for ever
# A proxy and the service may each take another one of two (RFC 9110, 5.3).
_SINGLE_HEADERS = (b"host", b"authorization", b"content-type", b"idempotency-key")


class DuplicateHeader(BadRequest):
    code, title = "duplicate_header", "Header is sent more than once"


class BodyLimitMiddleware:
    """Limits the size of address, headers and body, and the time a body may take.

    Args:
        app: the application.
        max_body_bytes: the limit of a body.
        chunk_seconds: the limit between two chunks of a body.
        limits: the limits of single paths; 0 leaves the limit to the endpoint, which never holds
            the whole body.
        files: the paths whose PUT is a file, which leaves the limit to the endpoint too.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        chunk_seconds: float,
        limits: Mapping[str, int],
        files: re.Pattern[str],
    ) -> None:
        self.app, self.files = app, files
        self.max_body_bytes, self.chunk_seconds, self.limits = max_body_bytes, chunk_seconds, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limits.get(scope["path"], self.max_body_bytes)
        if scope["method"] == "PUT" and self.files.match(scope["path"]):
            limit = 0
        body = _LimitedBody(limit, self.chunk_seconds, receive, send)
        error = _error_of_head(scope, limit)
        if error is None:
            await self.app(scope, body.receive, body.send)
        else:
            await problem(error, scope["path"])(scope, receive, body.send)


class _LimitedBody:
    """The body of one request."""

    def __init__(self, limit: int, chunk_seconds: float, receive: Receive, send: Send) -> None:
        self._limit, self._chunk_seconds = limit, chunk_seconds
        self._receive, self._send = receive, send
        self._received, self._more_to_come = 0, True
        self._closes_connection = False
        self._began = time.perf_counter()

    async def receive(self) -> Message:
        """Receive a message.

        Raises:
            BodyTooSlow: the next chunk did not come in time.
            TooLarge: the body is larger than the limit.
        """
        try:
            async with asyncio.timeout(self._seconds_left() if self._more_to_come else None):
                message = await self._receive()
        except TimeoutError:
            raise BodyTooSlow(headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            self._more_to_come = message.get("more_body", False)
            self._received += len(message.get("body", b""))
            if self._limit and self._received > self._limit:
                raise _too_large(self._limit)
        return message

    def _seconds_left(self) -> float:
        if not self._limit:
            return self._chunk_seconds
        return min(self._chunk_seconds, self._began + WHOLE_BODY_SECONDS - time.perf_counter())

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._closes_connection = (b"connection", b"close") in message["headers"]
        elif self._closes_connection and self._more_to_come and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def _linger(self) -> None:
        """Discard the rest of the body until the client has read the response.

        Closed at once, the connection would be reset and the response lost (RFC 9112, 9.6).
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await self._receive()).get("more_body", False):
                    pass


def _error_of_head(scope: Scope, limit: int) -> ServiceError | None:
    """Return what is wrong with a request before its body is read."""
    if sum(map(len, chain.from_iterable(scope["headers"]))) > MAX_HEADER_BYTES:
        return HeadersTooLarge()
    if _is_too_long(scope["raw_path"], scope["query_string"]):
        return AddressTooLong()
    headers = dict[bytes, bytes](scope["headers"])
    if len(headers) < len(scope["headers"]):
        names = [name for name, _ in scope["headers"]]
        for name in _SINGLE_HEADERS:
            if names.count(name) > 1:
                return DuplicateHeader(f"Send the header {name.decode()} once.")
    if not headers.get(b"host") and scope["http_version"] != "1.0":  # RFC 9112, 3.2
        return BadRequest("The Host header is missing.")
    length = headers.get(b"content-length", b"0")
    if limit and length.isdigit() and int(length) > limit:
        return _too_large(limit)
    return None


def _is_too_long(path: bytes, query: bytes) -> bool:
    length = len(path) + len(query)
    if length <= MAX_ADDRESS_BYTES // 3:  # short enough, even if each byte has to be encoded
        return False
    too_long = length > MAX_ADDRESS_BYTES + MAX_PLACE_BYTES
    return too_long or address_bytes(path, query) > MAX_ADDRESS_BYTES


def _too_large(limit: int) -> TooLarge:
    """Close the connection, because only that ends a body that is still being sent."""
    return TooLarge(f"Send at most {limit} bytes.", headers={"Connection": "close"})
