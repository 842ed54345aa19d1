"""HEAD for every GET: the same headers, no body (RFC 9110, 9.3.2).

A streamed response (an export, a tail) only starts: nothing of it is read or opened.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD_ONLY = "service.head_only"  # in the scope of a request whose body nobody receives


class HeadMiddleware:
    """Answers HEAD as the application answers GET, and drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        get = {**scope, "method": "GET", HEAD_ONLY: True}  # the server reads its own scope

        async def send_headers(message: Message) -> None:
            if message["type"] == "http.response.body":
                if message.get("more_body", False):
                    return
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        try:
            await self._app(get, receive, send_headers)
        finally:
            if "route" in get:
                scope["route"] = get["route"]  # for the log and the metrics
