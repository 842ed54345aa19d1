"""The log as it happens: server-sent events, each with the place in the log behind it as its id.

The place is the change stream's resume token, signed, so that what comes back is ours. MongoDB may
restart meanwhile: the stream is opened again behind the last event. One event is held at a time,
and the next is fetched when the client has taken it.
"""

import asyncio
import base64
import binascii
import json
import time
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Request
from fastapi.sse import format_sse_event
from pymongo.errors import OperationFailure, PyMongoError
from typing_extensions import override

from service.auth.caller import CurrentCaller
from service.core.errors import BadRequest, ServiceError, Unavailable
from service.core.signing import SIGNATURE_BYTES, Signer
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.errors import check_model
from service.documents.predictions.reading.encoding import encode_json, to_response_dict
from service.documents.predictions.reading.repository import FIELDS
from service.documents.predictions.stream_permission import PermissionRecheck
from service.documents.predictions.tail.schemas import TailQuery
from service.stores.mongo.change_streams import ChangeStream, ChangeStreams, Token
from service.stores.mongo.client import Document
from service.stores.mongo.documents import as_filter
from service.stores.mongo.errors import translate_mongo_error
from service.web.context import provided
from service.web.streaming import StreamedResponse

RETRY_MS = 1_000
_PURPOSE = b"predictions/tail\0"
# mongo/src/mongo/base/error_codes.yml: InvalidResumeToken, ChangeStreamFatalError, …HistoryLost
_GONE = (260, 280, 286)


class BadEventId(BadRequest):
    code, title = "bad_event_id", "This id is not of an event of ours"
    detail = "Send the id of the last event as it came, or none to begin now."


class EventIdGone(ServiceError):
    status, code, title = 410, "event_id_gone", "What came after this event is not kept any more"
    detail = "Begin without an id, and read what you missed: GET /v1/predictions/export."


class ShuttingDown(Unavailable):
    code, title, detail = "leaving", "This process ends", "Come back with the last id."


class ResumeTokens:
    """Places in the log as text."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def write(self, token: Token) -> str:
        """The id behind which a token stands."""
        place = bytes.fromhex(token["_data"])
        signature = self._signer.sign(_PURPOSE + place)
        return base64.urlsafe_b64encode(signature + place).decode().rstrip("=")

    def read(self, event_id: str) -> Token:
        """The token.

        Raises:
            BadEventId: we wrote no such id.
        """
        try:
            padding = "=" * (-len(event_id) % 4)
            raw = base64.b64decode(
                event_id.encode("ascii") + padding.encode(), b"-_", validate=True
            )
        except (binascii.Error, UnicodeError) as error:
            raise BadEventId from error
        signature, place = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not self._signer.verify(signature, _PURPOSE + place):
            raise BadEventId
        return {"_data": place.hex().upper()}


class PredictionStream:
    """The events that match, from now on or behind a token; goes on when the store comes back."""

    def __init__(
        self, change_streams: ChangeStreams, query: TailQuery, after: Token | None
    ) -> None:
        filters = as_filter(query.filters(), FIELDS)
        where = {f"fullDocument.{name}": value for name, value in filters.items()}
        self._pipeline = [
            {"$match": {"operationType": "insert", **where}},
            {"$project": {"fullDocument": 1}},
        ]
        self._watches, self.token = change_streams, after
        self._stream: ChangeStream | None = None

    async def open(self) -> None:
        """Begins.

        Raises:
            EventIdGone: there is nothing of that time any more.
            Unavailable: MongoDB is not there.
        """
        try:
            self._stream = await self._watches.open(PREDICTIONS, self._pipeline, self.token)
        except PyMongoError as error:
            raise _refusal(error) from error
        self.token = self._stream.resume_token or self.token

    async def next(self) -> Document | None:
        """The next event, or None if none came for a second; ``token`` is behind it.

        Raises:
            EventIdGone: the client is so far behind that what comes next is not kept any more.
            Unavailable: MongoDB is not there; asking again looks whether it is back.
        """
        if self._stream is None or not self._stream.alive:
            await self.close()
            await self.open()
            assert self._stream is not None  # noqa: S101 - open has made it
        try:
            change = await self._stream.try_next()
        except PyMongoError as error:
            await self.close()
            raise _refusal(error) from error
        self.token = self._stream.resume_token
        return None if change is None else change["fullDocument"]

    async def close(self) -> None:
        """Ends it in the store as well."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.close()


def _refusal(error: PyMongoError) -> Exception:
    if isinstance(error, OperationFailure) and error.code in _GONE:
        return EventIdGone()
    if error.has_error_label("ResumableChangeStreamError"):
        return Unavailable()
    return translate_mongo_error(error) or error


class TailAnswer(StreamedResponse):
    """Server-sent events until somebody leaves: the client, its right to them, or the process."""

    media_type = "text/event-stream"

    def __init__(
        self, stream: PredictionStream, request: Request, still: PermissionRecheck
    ) -> None:
        super().__init__(self.media_type, {"X-Accel-Buffering": "no"})
        state = request.state
        self._watches: ChangeStreams = state.change_streams
        self._shutdown_event: asyncio.Event = state.shutdown_event
        self._heartbeat: float = state.settings.tail_heartbeat_seconds
        self._ids, self._stream, self._still = ResumeTokens(state.signer), stream, still

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        with self._watches.place():
            await self._stream.open()
            try:
                yield self._written(retry=RETRY_MS)
                async for piece in self._events():
                    yield piece
            finally:
                await self._stream.close()

    async def _events(self) -> AsyncGenerator[bytes]:
        told = time.monotonic()
        try:
            while not self._shutdown_event.is_set():
                await self._still.check()
                document = await self._next()
                if document is not None:
                    yield self._written(data=encode_json(to_response_dict(document)).decode())
                    told = time.monotonic()
                elif time.monotonic() - told >= self._heartbeat:
                    yield self._written(comment="")
                    told = time.monotonic()
            raise ShuttingDown
        except ServiceError as refusal:
            said = {"status": refusal.status, "code": refusal.code, "detail": refusal.message}
            yield self._written(event="end", data=json.dumps(said))

    async def _next(self) -> Document | None:
        """The next event; while MongoDB is away, none."""
        try:
            return await self._stream.next()
        except Unavailable:
            await asyncio.sleep(RETRY_MS / 1000)
            return None

    def _written(
        self,
        data: str | None = None,
        *,
        event: str | None = None,
        retry: int | None = None,
        comment: str | None = None,
    ) -> bytes:
        """With the place behind it: what does not match moves on too, or it would soon be gone."""
        token = self._stream.token
        event_id = None if token is None else self._ids.write(token)
        return format_sse_event(
            data_str=data, event=event, id=event_id, retry=retry, comment=comment
        )


class PredictionTails:
    def __init__(self, caller: CurrentCaller, request: Request) -> None:
        self._caller, self._request = caller, request

    def answer(self, query: TailQuery, last_event_id: str | None) -> TailAnswer:
        """The events as they come; ``last_event_id`` counts more than what stands in the address.

        Raises:
            ModelForbidden: the caller's key is bound to other models.
            BadEventId: we wrote no such id.
        """
        check_model(self._caller, query.model)
        state = self._request.state
        after = last_event_id or query.after
        token = None if after is None else ResumeTokens(state.signer).read(after)
        stream = PredictionStream(state.change_streams, query, token)
        return TailAnswer(stream, self._request, PermissionRecheck(self._request, query.model))


Tails = Annotated[PredictionTails, provided(PredictionTails)]
