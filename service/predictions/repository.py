"""Predictions in MongoDB."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pymongo.errors import BulkWriteError

from service.access.caller import CurrentCaller, Forbidden
from service.errors import Conflict, NotFound, OutcomeUnknown
from service.mongo import Document, MongoDatabase, MongoStore
from service.mongo_documents import as_filter, mongo_page
from service.paging import Page, Paging
from service.predictions.documents import FEEDBACK, PREDICTIONS, read_feedback, read_prediction
from service.predictions.schemas import PredictionDetail, PredictionQuery, PredictionRead
from service.provide import provided

Code = Literal["created", "duplicate", "conflict"]
DUPLICATE_KEY = 11000
LOOKS, SECONDS_BETWEEN_LOOKS = 25, 0.02


class PredictionNotFound(NotFound):
    code, title = "prediction_not_found", "There is no such prediction"


class ModelForbidden(Forbidden):
    code, title = "model_forbidden", "Your key is bound to other models"
    detail = "Use a key of this model; in lists, name one of your models: ?model="
    pointer = "/model"


class PredictionConflict(Conflict):
    code, title = "conflict", "Another event was logged under this id"
    detail = "Nothing was overwritten. An id belongs to one event; mint a new one."
    pointer = "/prediction_id"


FIELDS = {name: name for name in ("model", "version", "status", "user_id", "order_id", "timestamp")}
READ = {"hash": 0, "expires_at": 0}


class PredictionLog:
    """Where events are written, each call in a place and a deadline of its own.

    Reading, decoding and checking take no time from the store. What a key that is bound to models
    may log, ``caller`` knows.
    """

    def __init__(self, mongo: MongoStore, caller: CurrentCaller) -> None:
        self._mongo, self._predictions = mongo, mongo.database[PREDICTIONS]
        self.caller = caller

    async def insert_all(self, documents: Sequence[Document]) -> list[Code]:
        """Writes those that are new, in one go; what became of each, in their order.

        Raises:
            Unavailable: MongoDB is down, hangs or is busy.
            OutcomeUnknown: some may be written; sending all of them again is safe.
        """
        if not documents:
            return []
        return await self._mongo.run(lambda: self._insert(documents), writes=True)

    async def _insert(self, documents: Sequence[Document]) -> list[Code]:
        codes: list[Code] = ["created"] * len(documents)
        try:
            await self._predictions.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            for place, code in (await self._compared(documents, error)).items():
                codes[place] = code
        return codes

    async def _compared(
        self, documents: Sequence[Document], error: BulkWriteError
    ) -> dict[int, Code]:
        """Tells duplicates from conflicts among those whose id was there already."""
        details = error.details
        failed = details["writeErrors"]
        if details["writeConcernErrors"] or any(one["code"] != DUPLICATE_KEY for one in failed):
            raise OutcomeUnknown("Not all are known to be durable; send them again.") from error
        collided = {one["index"]: documents[one["index"]] for one in failed}
        stored = await self._stored_hashes({document["_id"] for document in collided.values()})
        return {
            place: "duplicate" if stored[document["_id"]] == document["hash"] else "conflict"
            for place, document in collided.items()
        }

    async def _stored_hashes(self, ids: set[UUID]) -> dict[UUID, bytes]:
        """Waits until each is there for a majority: until then it could still be rolled back."""
        found: dict[UUID, bytes] = {}
        for _ in range(LOOKS):
            missing = list(ids - found.keys())
            cursor = self._predictions.find({"_id": {"$in": missing}}, {"hash": 1})
            found.update({each["_id"]: each["hash"] for each in await cursor.to_list(None)})
            if len(found) == len(ids):
                return found
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
        raise OutcomeUnknown("An event with this id is just being written; send it again.")


class PredictionRepository:
    """The log is nobody's own; a key that is bound to models sees those alone."""

    def __init__(self, database: MongoDatabase, pager: Paging, caller: CurrentCaller) -> None:
        self._predictions, self._feedback = database[PREDICTIONS], database[FEEDBACK]
        self._pager, self._caller = pager, caller

    async def get(self, prediction_id: UUID) -> PredictionDetail:
        document = await self._predictions.find_one({"_id": prediction_id}, READ)
        if document is None or not self._caller.may_use(document["model"]):
            raise PredictionNotFound
        told = await self._feedback.find_one({"_id": prediction_id})
        feedback = None if told is None else read_feedback(told, pending=False)
        return PredictionDetail(**dict(read_prediction(document)), feedback=feedback)

    async def list(self, query: PredictionQuery) -> Page[PredictionRead]:
        if not self._caller.may_use(query.model or ""):
            raise ModelForbidden
        where = as_filter(query.filters(), FIELDS)
        return await mongo_page(
            self._predictions, where, query, self._pager, read_prediction, projection=READ
        )


Predictions = Annotated[PredictionRepository, provided(PredictionRepository)]
Log = Annotated[PredictionLog, provided(PredictionLog)]
