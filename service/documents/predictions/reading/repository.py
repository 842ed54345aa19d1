"""Queries of predictions."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Response

from service.core.errors import Refused, field_error
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.reading.arrival import Arrival
from service.documents.predictions.reading.encoding import (
    LABELS,
    NOT_SHOWN,
    encode_json,
    feedback_to_dict,
    to_json,
    to_labelled_json,
    to_response_dict,
)
from service.documents.predictions.reading.feedback import belongs_to, combine, feedback_of
from service.documents.predictions.reading.filters import ELSEWHERE, FIELDS, tag_condition
from service.documents.predictions.reading.labels import latest_labels
from service.documents.predictions.reading.schemas import PredictionQuery
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoService
from service.stores.mongo.filters import all_of
from service.stores.mongo.json_types import to_python
from service.stores.mongo.listing import MongoListing

T = TypeVar("T")

PROJECTION = dict.fromkeys(NOT_SHOWN, 0)
LISTING = MongoListing(
    PREDICTIONS,
    PredictionQuery,
    filters=FIELDS,
    elsewhere=ELSEWHERE,
    followed="received_at",
)
LABELLED_SCAN = 500  # predictions whose labels are looked up with one query


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
            else feedback_to_dict(
                labels, pending=False, prediction_id=document.get("prediction_id")
            )
        )
        body = encode_json({**to_response_dict(document), "feedback": feedback})
        return Response(body, media_type="application/json")

    async def list(self, query: PredictionQuery) -> Response:
        """Return one page as JSON.

        Raises:
            ModelForbidden: the caller's key is bound to other models.
            Refused: labelled= with count=.
        """
        self._caller.require_model(query.model)
        where = {} if query.tag is None else tag_condition(query.tag)
        arrival = Arrival(self._context.store) if query.follows_arrival else None
        if arrival is not None:
            where = all_of(where, arrival.condition)
        if query.labelled is not None:
            where = {"_id": {"$in": await self._find_labelled(query, where)}}
        write, join = (to_labelled_json, self._join_labels) if query.labels else (to_json, None)
        response = await LISTING.json_page(self._context, query, write, where, join=join)
        response.headers.update({} if arrival is None else arrival.headers)
        return response

    async def _find_labelled(self, query: PredictionQuery, where: Document) -> Sequence[UUID]:
        """Return the ids of the predictions on the page, by whether they have a label."""
        if query.count != "none":
            detail = "Send count=none, because labels are looked up page by page."
            raise Refused(detail, errors=[field_error("/query/count", "invalid", detail)])
        ids: Sequence[UUID] = []
        cursor = LISTING.find(self._context, query, {"model": 1}, where)
        while len(ids) <= query.limit and (batch := await cursor.to_list(LABELLED_SCAN)):
            models = {document["_id"]: document["model"] for document in batch}
            labels = await latest_labels(self._database[FEEDBACK], models, _call)
            ids = [*ids, *(key for key in models if (key in labels) is query.labelled)]
        return ids[: query.limit + 1]

    async def _join_labels(self, documents: Sequence[Document]) -> None:
        """Add the latest labels of predictions to their documents."""
        models = {to_python(document["_id"]): document["model"] for document in documents}
        labels = await latest_labels(self._database[FEEDBACK], models, _call)
        for key, document in zip(models, documents, strict=True):
            document[LABELS] = labels.get(key)


async def _call(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


Predictions = Annotated[PredictionRepository, Depends(PredictionRepository.from_request)]
