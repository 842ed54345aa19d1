"""Compressed responses, and an ETag for each coding (RFC 9110, 8.8.3.3).

The ETag `"3"` of a response becomes `"3-gzip"` when it is compressed. If-Match and If-None-Match
take it with and without the coding.

These are sent as they are: responses below a kilobyte, types that are compressed already, tails,
what has ``Cache-Control: no-store`` or ``no-transform``, and what closes the connection. A secret
comes with ``no-store``: its length beside chosen text would betray it (the BREACH attack).
"""

import re
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

from service.web.bodies.ndjson import NDJSON
from service.web.negotiation import join_lists, parse_weights
from service.web.problems import PROBLEM_JSON

MINIMUM_BYTES = 1_024
CODINGS = ("zstd", "br", "gzip")  # of those with equal weight the first
# A page of 50 products (19 kB) takes 18, 27 and 54 µs; at the next useful levels (3, 2, 4) it takes
# 27, 59 and 110 µs, and has 2, 25 and 5 % fewer bytes (measured).
_LEVELS: dict[str, Any] = {"zstd_level": 1, "brotli_quality": 1, "gzip_level": 1}
_PLAIN_SEND = "service.plain_send"
_KEPT_AS_IT_IS = (b"no-store", b"no-transform")
_CODED_TAG = re.compile(rb'"([^"]*)-(zstd|br|gzip)"')

add_compress_type(PROBLEM_JSON)
for _exported in (NDJSON, "text/csv"):
    add_compress_type(_exported, streaming=True)  # each piece is flushed
remove_compress_type("text/event-stream")


def choose_coding(accepted: str) -> str | None:
    """Return the coding for an Accept-Encoding header, None for no coding."""
    weights = parse_weights(accepted)
    others = weights.get("*", 0.0)
    coding = max(CODINGS, key=lambda name: weights.get(name, others))
    weight = weights.get(coding, others)
    return coding if weight > 0 and weight >= weights.get("identity", 0.0) else None


class CompressionMiddleware:
    """Compresses the responses to clients that accept a coding."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._compress = CompressMiddleware(self._call_app, minimum_size=MINIMUM_BYTES, **_LEVELS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["headers"] = join_lists(scope["headers"])
        headers = dict(scope["headers"])
        accepted = headers.get(b"accept-encoding")
        coded_tags = _read_tags(scope, headers, accepted)
        coding = None
        if accepted is not None and b"no-transform" not in headers.get(b"cache-control", b""):
            coding = choose_coding(accepted.decode("latin-1"))
        if coding is None and not coded_tags:
            await self._app(scope, receive, send)
            return

        async def send_with_tag(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _written_tags(message, coded_tags)
            await send(message)

        if coding is None:
            await self._app(scope, receive, send_with_tag)
            return
        # The library ignores the order of the weights, so that it gets the one coding to use.
        others = [header for header in scope["headers"] if header[0] != b"accept-encoding"]
        scope["headers"] = [*others, (b"accept-encoding", coding.encode())]
        scope[_PLAIN_SEND] = send_with_tag
        await self._compress(scope, receive, send_with_tag)

    async def _call_app(self, scope: Scope, receive: Receive, compressed_send: Send) -> None:
        chosen = compressed_send

        async def send(message: Message) -> None:
            nonlocal chosen
            if message["type"] == "http.response.start" and not _may_be_compressed(message):
                chosen = scope[_PLAIN_SEND]
            await chosen(message)

        await self._app(scope, receive, send)


def _may_be_compressed(start: Message) -> bool:
    headers = dict(start["headers"])
    if b"set-cookie" in headers or headers.get(b"connection") == b"close":
        return False  # a coding would hold back what BodyLimitMiddleware sends before it lingers
    return not any(word in headers.get(b"cache-control", b"") for word in _KEPT_AS_IT_IS)


def _read_tags(
    scope: Scope, headers: dict[bytes, bytes], accepted: bytes | None
) -> dict[bytes, bytes]:
    """Remove the codings from If-Match and If-None-Match in the scope.

    Return the first tag of If-None-Match with a coding, by its ETag without one. A tag stays in
    If-None-Match if Accept-Encoding refuses its coding: a 304 would let a cache answer with a copy
    that this client cannot read. Without Accept-Encoding, each coding is accepted (RFC 9110,
    12.5.3).
    """
    if b"if-match" not in headers and b"if-none-match" not in headers:
        return {}
    weights = None if accepted is None else parse_weights(accepted.decode("latin-1"))
    coded_tags: dict[bytes, bytes] = {}

    def plain(tag: re.Match[bytes]) -> bytes:
        coding = tag[2].decode()
        if weights is not None and not weights.get(coding, weights.get("*", 0.0)):
            return tag[0]
        etag = b'"%b"' % tag[1]
        coded_tags.setdefault(etag, tag[0])
        return etag

    changed = {
        b"if-match": lambda value: _CODED_TAG.sub(rb'"\1"', value),
        b"if-none-match": lambda value: _CODED_TAG.sub(plain, value),
    }
    scope["headers"] = [
        (name, changed[name](value) if name in changed else value)
        for name, value in scope["headers"]
    ]
    return coded_tags


def _written_tags(start: Message, coded_tags: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with the ETag of what is sent, or of the client's copy."""
    headers: list[tuple[bytes, bytes]] = list(start["headers"])
    coding = dict(headers).get(b"content-encoding")
    if start["status"] == 304:
        return [
            (name, coded_tags.get(value, value) if name == b"etag" else value)
            for name, value in headers
        ]
    if coding is None:
        return headers
    return [
        (name, b'%b-%b"' % (value[:-1], coding) if name == b"etag" else value)
        for name, value in headers
    ]
