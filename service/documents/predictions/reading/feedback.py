"""The labels of predictions, from the documents that hold them.

The labels of a prediction stand under its ``_id``. Those that a key bound to models sent before the
prediction stand in a document of their own, which has these ``models`` and the ``prediction_id``.
They are labels of the prediction only if it is of one of the models. So a pending label never
becomes that of a model that its key may not use, and takes nothing from the labels of others.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from service.auth.caller import Caller
from service.stores.mongo.client import Document

Key = tuple[datetime, str, int, Any]


def observation_key(observation: Document) -> Key:
    """Return the sort key; it follows BSON, where numbers precede text, and booleans are last."""
    label = observation["label"]
    type_rank = 2 if isinstance(label, bool) else int(isinstance(label, str))
    return observation["observed_at"], observation["source"], type_rank, label


def binding_of(prediction_id: UUID, models: Collection[str]) -> Document:
    """Return ``_id`` and fields of the document of labels that a bound key sends early."""
    patterns = sorted(models)
    document_id = uuid5(prediction_id, json.dumps(patterns))
    return {"_id": document_id, "prediction_id": prediction_id, "models": patterns}


def feedback_of(ids: Collection[UUID]) -> Document:
    """Return the filter of all documents with labels of these predictions."""
    return {"$or": [{name: {"$in": list(ids)}} for name in ("_id", "prediction_id")]}


def prediction_id_of(feedback: Document) -> UUID:
    """Return the prediction that a document has labels of."""
    prediction_id: UUID = feedback.get("prediction_id") or feedback["_id"]
    return prediction_id


def belongs_to(feedback: Document, model: str) -> bool:
    """Return whether the labels of a document are those of a prediction of this model."""
    models = feedback.get("models")
    return models is None or Caller(models=tuple(models)).may_use(model)


def combine(prediction_id: UUID, documents: Sequence[Document]) -> Document | None:
    """Return the labels of one prediction from all documents that belong to it, as one."""
    known = {observation_key(item): item for part in documents for item in part["history"]}
    if not known:
        return None
    history = [known[key] for key in sorted(known)]
    return {
        "_id": prediction_id,
        "history": history,
        "latest": history[-1],
        "version": len(history),
    }
