"""The latest labels of many predictions, with two queries at most."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar
from uuid import UUID

from service.documents.predictions.label_values import from_stored
from service.documents.predictions.reading.feedback import (
    belongs_to,
    combine,
    feedback_of,
    prediction_id_of,
)
from service.stores.mongo.client import Document, MongoCollection
from service.web.schemas import format_time

T = TypeVar("T")
LABEL_COLUMNS = ("label", "label_observed_at", "label_source")


class Call(Protocol):
    """How a query is run: within the request's call, or as a call of its own."""

    async def __call__(self, work: Callable[[], Awaitable[T]], /) -> T: ...


async def latest_labels(
    feedback: MongoCollection, models: Mapping[UUID, str], call: Call
) -> dict[UUID, Document]:
    """Return the feedback of the predictions that have labels, by id, given their models."""
    some = {"latest": 1, "prediction_id": 1, "models": 1}
    parts = await _find(feedback, models, call, some)
    parted = {key: models[key] for key, documents in parts.items() if len(documents) > 1}
    if parted:  # a withdrawal in one document may take back a label in another
        parts |= await _find(feedback, parted, call)
    found = {
        key: combine(key, documents) if key in parted else documents[0]
        for key, documents in parts.items()
    }
    return {key: labels for key, labels in found.items() if labels and "latest" in labels}


async def _find(
    feedback: MongoCollection,
    models: Mapping[UUID, str],
    call: Call,
    fields: Document | None = None,
) -> dict[UUID, list[Document]]:
    """Return the documents with labels of predictions, by id."""
    cursor = feedback.find(feedback_of(models), fields, batch_size=len(models) + 1)
    parts: dict[UUID, list[Document]] = {}
    for labels in await call(lambda: cursor.to_list(None)):
        prediction_id = prediction_id_of(labels)
        model = models.get(prediction_id)  # None: the _id of early labels is the one of an event
        if model is not None and belongs_to(labels, model):
            parts.setdefault(prediction_id, []).append(labels)
    return parts


def label_columns(feedback: Document | None) -> dict[str, Any]:
    """Return the latest label as columns of an event, None where there is none."""
    if feedback is None:
        return dict.fromkeys(LABEL_COLUMNS)
    latest = feedback["latest"]
    values = (from_stored(latest["label"]), format_time(latest["observed_at"]), latest["source"])
    return dict(zip(LABEL_COLUMNS, values, strict=True))
