"""Follow the log: server-sent events, each with the position after it as its id.

The position is the signed resume token of the change stream. One event is held at a time, and the
next is fetched when the client has taken it.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.sse import format_sse_event
from typing_extensions import override

from service.auth.caller import InvalidTicket
from service.core.errors import ServiceError, Unavailable
from service.documents.predictions.reading.encoding import to_json
from service.documents.predictions.tail.inserted_events import InsertedEvents
from service.documents.predictions.tail.resume_tokens import ResumeTokens
from service.documents.predictions.tail.schemas import TailQuery
from service.documents.predictions.tail.tickets import longest_tail, require_opens
from service.stores.mongo.change_streams import ChangeStreams
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoService
from service.web.permission_recheck import PermissionRecheck
from service.web.streaming import StreamedResponse

RETRY_MS = 1_000


class ShuttingDown(Unavailable):
    code, title, detail = "leaving", "This process is shutting down", "Reconnect with the last id."


class TailResponse(StreamedResponse):
    """Server-sent events until the client disconnects, loses its permission or we shut down."""

    media_type = "text/event-stream"

    def __init__(
        self, events: InsertedEvents, request: Request, permission: PermissionRecheck
    ) -> None:
        super().__init__(self.media_type, {"X-Accel-Buffering": "no"})
        state = request.state
        self._change_streams: ChangeStreams = state.change_streams
        self._shutdown_event: asyncio.Event = state.shutdown_event
        self._heartbeat: float = state.settings.tail_heartbeat_seconds
        self._tokens, self._events = ResumeTokens(state.signer), events
        self._permission, self._ends_at = permission, time.monotonic() + longest_tail(request)

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        with self._change_streams.slot():
            await self._events.open()
            try:
                yield self._format(retry=RETRY_MS)
                async for piece in self._format_events():
                    yield piece
            finally:
                await self._events.close()

    async def _format_events(self) -> AsyncGenerator[bytes]:
        sent_at = time.monotonic()
        try:
            while not self._shutdown_event.is_set():
                if time.monotonic() > self._ends_at:
                    raise InvalidTicket("Request the next one; a tail goes on for an hour at most.")
                await self._permission.check()
                document = await self._next()
                if document is not None:
                    yield self._format(data=to_json(document).decode())
                    sent_at = time.monotonic()
                elif time.monotonic() - sent_at >= self._heartbeat:
                    yield self._format(comment="")
                    sent_at = time.monotonic()
            raise ShuttingDown
        except ServiceError as error:
            reason = {"status": error.status, "code": error.code, "detail": error.message}
            yield self._format(event="end", data=json.dumps(reason))

    async def _next(self) -> Document | None:
        """Return the next event, or None if there is none yet or MongoDB is down."""
        try:
            return await self._events.next()
        except Unavailable:
            await asyncio.sleep(RETRY_MS / 1000)
            return None

    def _format(
        self,
        data: str | None = None,
        *,
        event: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> bytes:
        """Return a server-sent event whose id is the current position.

        Comments have an id too, because events that do not match advance the position. The oplog
        would soon no longer reach back to the old one.
        """
        token = self._events.token
        event_id = None if token is None else self._tokens.write(token)
        return format_sse_event(
            data_str=data, event=event, id=event_id, retry=retry, comment=comment
        )


class PredictionTails(MongoService):
    def follow(self, query: TailQuery, last_event_id: str | None) -> TailResponse:
        """Return the stream of events; ``last_event_id`` takes precedence over ``query.after``.

        Raises:
            InvalidTicket: the request has a ticket for another tail.
            ModelForbidden: the caller's key is bound to other models.
            BadEventId: the id was not issued by this service.
        """
        request = self._context.request
        require_opens(request, query)
        self._caller.require_model(query.model)
        after = last_event_id or query.after
        token = None if after is None else ResumeTokens(request.state.signer).read(after)
        events = InsertedEvents(request.state.change_streams, query, token)
        permission = PermissionRecheck(request, lambda caller: caller.require_model(query.model))
        return TailResponse(events, request, permission)


Tails = Annotated[PredictionTails, Depends(PredictionTails.from_request)]
