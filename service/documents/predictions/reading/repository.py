"""Predictions in MongoDB."""

from typing import Annotated
from uuid import UUID

from fastapi import Response

from service.auth.caller import CurrentCaller
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound, check_model
from service.documents.predictions.reading.encoding import feedback_to_schema, to_json, to_schema
from service.documents.predictions.reading.schemas import PredictionDetail, PredictionQuery
from service.stores.mongo.client import MongoDatabase
from service.stores.mongo.documents import as_filter, mongo_json_page
from service.web.context import provided
from service.web.pagination import Paging

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
        feedback = None if told is None else feedback_to_schema(told, pending=False)
        return PredictionDetail(**dict(to_schema(document)), feedback=feedback)

    async def list(self, query: PredictionQuery) -> Response:
        check_model(self._caller, query.model)
        where = as_filter(query.filters(), FIELDS)
        return await mongo_json_page(
            self._predictions, where, query, self._paginator, to_json, projection=READ
        )


Predictions = Annotated[PredictionRepository, provided(PredictionRepository)]
