"""The events that are inserted into the log, read from a change stream."""

from pymongo.errors import OperationFailure, PyMongoError

from service.core.errors import ServiceError, Unavailable
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.reading.filters import conditions
from service.documents.predictions.tail.schemas import TailQuery
from service.stores.mongo.change_streams import ChangeStream, ChangeStreams, Token
from service.stores.mongo.client import Document
from service.stores.mongo.errors import translate_mongo_error
from service.stores.mongo.filters import all_of

# mongo/src/mongo/base/error_codes.yml: InvalidResumeToken, ChangeStreamFatalError, …HistoryLost
_TOKEN_EXPIRED = (260, 280, 286)


class EventIdGone(ServiceError):
    status, code, title = 410, "event_id_gone", "The events after this id are no longer available"
    detail = "Start without an id, and read what you missed: GET /v1/predictions/export."


class InsertedEvents:
    """The events that match, from now on or after a token.

    The change stream is opened again when MongoDB has restarted.
    """

    def __init__(
        self, change_streams: ChangeStreams, query: TailQuery, after: Token | None
    ) -> None:
        where = conditions(query.filters(), "fullDocument.")
        self._pipeline = [
            {"$match": all_of({"operationType": "insert"}, where)},
            {"$project": {"fullDocument": 1}},
        ]
        self._change_streams, self.token = change_streams, after
        self._stream: ChangeStream | None = None

    async def open(self) -> None:
        """Open the change stream.

        Raises:
            EventIdGone: the oplog no longer reaches back to the token.
            Unavailable: MongoDB is down.
        """
        try:
            self._stream = await self._change_streams.open(PREDICTIONS, self._pipeline, self.token)
        except PyMongoError as error:
            raise _translate(error) from error
        self.token = self._stream.resume_token or self.token

    async def next(self) -> Document | None:
        """Return the next event, or None after a second without one.

        ``token`` is then the position after it.

        Raises:
            EventIdGone: the client is so slow that the oplog no longer has the next event.
            Unavailable: MongoDB is down; the next call tries again.
        """
        if self._stream is None or not self._stream.alive:
            await self.close()
            await self.open()
            assert self._stream is not None  # noqa: S101 - set by open
        try:
            change = await self._stream.try_next()
        except PyMongoError as error:
            await self.close()
            raise _translate(error) from error
        self.token = self._stream.resume_token
        return None if change is None else change["fullDocument"]

    async def close(self) -> None:
        """Close the change stream, on the server as well."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            await stream.close()


def _translate(error: PyMongoError) -> Exception:
    if isinstance(error, OperationFailure) and error.code in _TOKEN_EXPIRED:
        return EventIdGone()
    # Most of the time may have passed before there was a primary, so slowness is no reason to end.
    if error.has_error_label("ResumableChangeStreamError") or error.timeout:
        return Unavailable()
    return translate_mongo_error(error) or error
