"""Predictions in MongoDB."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from service.auth.caller import CurrentCaller, Forbidden
from service.core.errors import Conflict, NotFound
from service.documents.predictions.documents import (
    FEEDBACK,
    PREDICTIONS,
    read_feedback,
    read_prediction,
    write_prediction,
)
from service.documents.predictions.reading.schemas import PredictionDetail, PredictionQuery
from service.stores.mongo.client import MongoDatabase
from service.stores.mongo.documents import as_filter, mongo_json_page
from service.web.context import provided
from service.web.pagination import Paging


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


class PredictionRepository:
    """The log is nobody's own; a key that is bound to models sees those alone."""

    def __init__(self, database: MongoDatabase, paginator: Paging, caller: CurrentCaller) -> None:
        self._predictions, self._feedback = database[PREDICTIONS], database[FEEDBACK]
        self._paginator, self._caller = paginator, caller

    async def get(self, prediction_id: UUID) -> PredictionDetail:
        document = await self._predictions.find_one({"_id": prediction_id}, READ)
        if document is None or not self._caller.may_use(document["model"]):
            raise PredictionNotFound
        told = await self._feedback.find_one({"_id": prediction_id})
        feedback = None if told is None else read_feedback(told, pending=False)
        return PredictionDetail(**dict(read_prediction(document)), feedback=feedback)

    async def list(self, query: PredictionQuery) -> Response:
        if not self._caller.may_use(query.model or ""):
            raise ModelForbidden
        where = as_filter(query.filters(), FIELDS)
        return await mongo_json_page(
            self._predictions, where, query, self._paginator, write_prediction, projection=READ
        )


Predictions = Annotated[PredictionRepository, provided(PredictionRepository)]
