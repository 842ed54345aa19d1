"""Responses to HTTP/1.0 whose length is not known: they end with the connection (RFC 9112, 6.1).

uvicorn would send them in chunks, which such a client takes for the content.
"""

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from service.web.streaming import abort_connection


def close_delimited(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """Return ``app`` for one request over HTTP/1.0, which uvicorn answers in ``cycle``.

    A response that is cut resets the connection, because its end would look like the whole.
    """

    async def call(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        ends_with_connection = False

        async def send_unchunked(message: ASGISendEvent) -> None:
            nonlocal ends_with_connection
            if message["type"] == "http.response.start":
                if b"content-length" not in dict(message["headers"]):
                    ends_with_connection, cycle.chunked_encoding = True, False
            elif message["type"] == "http.response.body" and ends_with_connection:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, send_unchunked)
        finally:
            if ends_with_connection and not (cycle.response_complete or cycle.disconnected):
                abort_connection(receive)

    return call
