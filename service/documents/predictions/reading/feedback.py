"""The labels of predictions, from the documents that hold them.

The labels of a prediction stand under its ``_id``. Those that a key bound to models sent before the
prediction stand in a document of their own, which has these ``models`` and the ``prediction_id``.
They are labels of the prediction only if it is of one of the models. So a pending label never
becomes that of a model that its key may not use, and takes nothing from the labels of others.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import product
from typing import Any
from uuid import UUID, uuid5

from service.auth.caller import Caller
from service.documents.predictions.label_values import sort_key
from service.stores.mongo.client import Document

Key = tuple[datetime, bool, str, int, Any]


def observation_key(observation: Document) -> Key:
    """Return the sort key of a label or a withdrawal; it follows BSON, where null is first."""
    is_withdrawal, source = "withdrawn" in observation, observation.get("source", "")
    return observation["observed_at"], is_withdrawal, source, *sort_key(observation.get("label"))


def standing(history: Sequence[Document]) -> list[Document]:
    """Return the labels of a sorted history that no withdrawal takes back.

    A withdrawal takes back the label that was observed last, at or before its ``observed_at``: of
    its source and its label, if it names them. So the order of deliveries does not matter, and two
    withdrawals of one label are as good as one.
    """
    if not any("withdrawn" in item for item in history):
        return [*history]
    last: dict[tuple[str | None, tuple[int, Any] | None], Key] = {}
    taken_back = set()
    for item in history:
        key, source = observation_key(item), item.get("source")
        value = sort_key(item["label"]) if "label" in item else None
        if "withdrawn" in item:
            taken_back.add(last.get((source, value)))
        else:
            last |= dict.fromkeys(product((None, source), (None, value)), key)
    labels = (item for item in history if "withdrawn" not in item)
    return [item for item in labels if observation_key(item) not in taken_back]


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
    return to_document(prediction_id, [known[key] for key in sorted(known)])


def to_document(prediction_id: object, history: list[Document]) -> Document:
    """Return the document of a sorted history; without ``latest`` if no label stands."""
    document = {"_id": prediction_id, "history": history, "version": len(history)}
    labels = standing(history)
    return {**document, "latest": labels[-1]} if labels else document
