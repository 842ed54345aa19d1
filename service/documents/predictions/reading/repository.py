"""Queries of predictions."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Response

from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.reading.encoding import (
    NOT_SHOWN,
    encode_json,
    feedback_to_schema,
    to_json,
    to_response_dict,
)
from service.documents.predictions.reading.feedback import belongs_to, combine, feedback_of
from service.documents.predictions.reading.schemas import PredictionQuery
from service.stores.mongo.context import MongoService
from service.stores.mongo.listing import MongoListing

FILTER_FIELDS = {
    "prediction_id": "_id",
    **{n: n for n in ("model", "version", "status", "user_id", "order_id", "timestamp")},
}
PROJECTION = dict.fromkeys(NOT_SHOWN, 0)
LISTING = MongoListing(PREDICTIONS, PredictionQuery, filters=FILTER_FIELDS)


class PredictionRepository(MongoService):
    """The log has no owners; a key that is bound to models reads these only."""

    async def get(self, prediction_id: UUID) -> Response:
        """Return one prediction with its labels as JSON.

        Raises:
            PredictionNotFound: there is none, or the caller's key is bound to other models.
        """
        document = await self._database[PREDICTIONS].find_one({"_id": prediction_id}, PROJECTION)
        if document is None or not self._caller.may_use(document["model"]):
            raise PredictionNotFound
        found = await self._database[FEEDBACK].find(feedback_of([prediction_id])).to_list(None)
        own = [labels for labels in found if belongs_to(labels, document["model"])]
        labels = combine(prediction_id, own)
        feedback = (
            None
            if labels is None
            else feedback_to_schema(
                labels, pending=False, prediction_id=document.get("prediction_id")
            )
        )
        shown = None if feedback is None else feedback.model_dump(mode="json")
        body = encode_json({**to_response_dict(document), "feedback": shown})
        return Response(body, media_type="application/json")

    async def list(self, query: PredictionQuery) -> Response:
        """Return one page as JSON.

        Raises:
            ModelForbidden: the caller's key is bound to other models.
        """
        self._caller.require_model(query.model)
        return await LISTING.json_page(self._context, query, to_json)


Predictions = Annotated[PredictionRepository, Depends(PredictionRepository.from_request)]
