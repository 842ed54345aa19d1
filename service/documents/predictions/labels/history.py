"""The history of a prediction's labels: a set of observations, in the order they were observed.

An observation is its ``observed_at``, ``source`` and ``label``. Sent again it adds nothing, and its
``received_at`` is that of the first delivery. So the order and the number of deliveries do not
matter.

The rule is implemented twice, in Python and as an update that MongoDB executes by itself, because a
bulk write returns no documents. The tests compare both.
"""

from collections.abc import Sequence
from typing import Any, Literal

from service.documents.predictions.reading.feedback import Key, observation_key
from service.stores.mongo.client import Document

MAX_REVISIONS = 1000
Change = Literal["labelled", "revised", "unchanged", "full"]
_KEY_FIELDS = ("observed_at", "source", "label")


def normalize(label: Any) -> Any:
    """Return 1 for 1.0, because both are one number in JSON.

    MongoDB compares them as equal, so without this the one that came first would be stored.
    """
    if isinstance(label, float) and label.is_integer() and -(2**63) <= label < 2**63:
        return int(label)
    return label


def merge(
    history: Sequence[Document], observations: Sequence[Document]
) -> tuple[list[Document], list[Change]]:
    """Return the history with the observations, and the change that each of them made.

    ``labelled``: the first of the history. ``revised``: new, and now the latest. ``unchanged``:
    known, or older than the latest. ``full``: new, but there are :data:`MAX_REVISIONS` already.
    """
    known = {observation_key(item): item for item in history}
    latest = max(known, default=None)
    changes: list[Change] = []
    for observation in observations:
        key = observation_key(observation)
        stored = known.get(key)
        if stored is not None:
            earliest = min(stored["received_at"], observation["received_at"])
            known[key] = {**stored, "received_at": earliest}
            changes.append("unchanged")
        elif len(known) >= MAX_REVISIONS:
            changes.append("full")
        else:
            known[key] = observation
            changes.append(_change(key, latest))
            latest = key if latest is None else max(latest, key)
    return [known[key] for key in sorted(known)], changes


def _change(key: Key, latest: Key | None) -> Change:
    if latest is None:
        return "labelled"
    return "revised" if key > latest else "unchanged"


def to_document(prediction_id: object, history: list[Document]) -> Document:
    """Return the document that stores the labels of a prediction."""
    latest = history[-1]
    return {"_id": prediction_id, "history": history, "latest": latest, "version": len(history)}


def merge_update(observations: Sequence[Document], bound: Document | None = None) -> list[Document]:
    """Return the atomic update that merges observations, received at one time, into a history.

    ``bound`` are the fields of ``binding_of``, for a document of early labels. Every value of a
    client stands in a literal, so that no part of it can be an operator.
    """
    received_at = observations[0]["received_at"]
    history = {"$ifNull": ["$history", []]}
    keys = {"$literal": [[item[name] for name in _KEY_FIELDS] for item in observations]}
    stored_keys = {"$map": {"input": history, "as": "stored", "in": _key_of("stored")}}
    earliest = {"received_at": {"$min": ["$$stored.received_at", received_at]}}
    is_repeated = {"$in": [_key_of("stored"), keys]}
    merged = {"$cond": [is_repeated, {"$mergeObjects": ["$$stored", earliest]}, "$$stored"]}
    known = {"$map": {"input": history, "as": "stored", "in": merged}}
    is_new = {"$not": {"$in": [_key_of("new"), stored_keys]}}
    new = {"$filter": {"input": {"$literal": _distinct(observations)}, "as": "new", "cond": is_new}}
    max_size = {"$max": [MAX_REVISIONS, {"$size": history}]}
    both = {"$slice": [{"$concatArrays": [known, new]}, max_size]}
    in_order = {"$sortArray": {"input": both, "sortBy": dict.fromkeys(_KEY_FIELDS, 1)}}
    return [
        {"$set": {"history": in_order, **_literals(bound or {})}},
        {"$set": {"latest": {"$last": "$history"}, "version": {"$size": "$history"}}},
    ]


def _literals(fields: Document) -> Document:
    return {name: {"$literal": value} for name, value in fields.items()}


def _key_of(variable: str) -> list[str]:
    return [f"$${variable}.{name}" for name in _KEY_FIELDS]


def _distinct(observations: Sequence[Document]) -> list[Document]:
    """Return the first observation of each key, in order."""
    distinct: dict[Key, Document] = {}
    for observation in observations:
        distinct.setdefault(observation_key(observation), observation)
    return list(distinct.values())
