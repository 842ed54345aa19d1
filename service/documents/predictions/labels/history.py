"""The history of a prediction's labels: a set of steps, in the order they were observed.

A step is a label (``observed_at``, ``source``, ``label``) or a withdrawal (``withdrawn``,
``observed_at``, and ``source`` and ``label`` if it names them). Sent again it adds nothing, and its
``received_at`` is that of the first delivery. So the order and the number of deliveries do not
matter.

The rule is implemented twice, in Python and as an update that MongoDB executes by itself, because a
bulk write returns no documents. The tests compare both.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Literal

from service.documents.predictions.label_values import text_bytes
from service.documents.predictions.reading.feedback import Key, observation_key, standing
from service.stores.mongo.client import Document

MAX_REVISIONS = 1000
# Of the labels that are text or structured. A document of MongoDB has at most 16 MiB, and so has
# the update, which contains new labels twice.
MAX_HISTORY_BYTES = 4 * 2**20
Change = Literal["labelled", "revised", "unchanged", "withdrawn", "full"]
_KEY_FIELDS = ("observed_at", "withdrawn", "source", "label")


def merge(
    history: Sequence[Document], observations: Sequence[Document]
) -> tuple[list[Document], list[Change]]:
    """Return the history with the observations, and the change that each of them made.

    ``labelled``: the first that stands. ``revised``: new, and now the latest. ``withdrawn``: a new
    withdrawal. ``unchanged``: known, or older than the latest. ``full``: new, but there are
    :data:`MAX_REVISIONS` already, or :data:`MAX_HISTORY_BYTES` with it.
    """
    known = {observation_key(item): item for item in history}
    is_sized = any(isinstance(item.get("label"), (str, dict)) for item in observations)
    fits = _fitting(history, observations) if is_sized else None
    new: list[bool | None] = []  # None does not fit
    for observation in observations:
        key = observation_key(observation)
        if key in known:
            stored = known[key]
            earliest = min(stored["received_at"], observation["received_at"])
            known[key] = {**stored, "received_at": earliest}
            new.append(False)
        elif len(known) >= MAX_REVISIONS or not (fits is None or key in fits):
            new.append(None)
        else:
            known[key] = observation
            new.append(True)
    merged = [known[key] for key in sorted(known)]
    return merged, _changes(history, observations, new, merged)


def _changes(
    history: Sequence[Document],
    observations: Sequence[Document],
    new: Sequence[bool | None],
    merged: Sequence[Document],
) -> list[Change]:
    keys = [observation_key(item) for item in history]
    stand: set[Key] | None = None  # all, because nothing was withdrawn
    if any("withdrawn" in item for item in merged):
        stand = {observation_key(item) for item in standing(merged)}
        keys = [key for key in keys if key in stand]
    latest = max(keys, default=None)
    changes: list[Change] = []
    for observation, is_new in zip(observations, new, strict=True):
        key = observation_key(observation)
        if not is_new:
            changes.append("full" if is_new is None else "unchanged")
        elif "withdrawn" in observation:
            changes.append("withdrawn")
        elif (stand is not None and key not in stand) or (latest is not None and key < latest):
            changes.append("unchanged")
        else:
            changes.append("labelled" if latest is None else "revised")
            latest = key
    return changes


def _fitting(history: Sequence[Document], observations: Sequence[Document]) -> dict[Key, Document]:
    """Return the distinct observations up to the one that makes the history too large."""
    distinct = _distinct(observations)
    sizes = accumulate(text_bytes(item.get("label")) for item in distinct.values())
    left = MAX_HISTORY_BYTES - sum(text_bytes(item.get("label")) for item in history)
    return {
        key: item for (key, item), size in zip(distinct.items(), sizes, strict=True) if size <= left
    }


def merge_update(observations: Sequence[Document], bound: Document | None = None) -> list[Document]:
    """Return the atomic update that merges observations, received at one time, into a history.

    ``bound`` are the fields of ``binding_of``, for a document of early labels. Every value of a
    client stands in a literal, so that no part of it can be an operator.
    """
    received_at = observations[0]["received_at"]
    distinct = [*_fitting((), observations).values()]
    history = {"$ifNull": ["$history", []]}
    keys = {"$literal": [[item.get(name) for name in _KEY_FIELDS] for item in distinct]}
    stored_keys = {"$map": {"input": history, "as": "stored", "in": _key_of("stored")}}
    earliest = {"received_at": {"$min": ["$$stored.received_at", received_at]}}
    is_repeated = {"$in": [_key_of("stored"), keys]}
    merged = {"$cond": [is_repeated, {"$mergeObjects": ["$$stored", earliest]}, "$$stored"]}
    known = {"$map": {"input": history, "as": "stored", "in": merged}}
    is_new = {"$not": {"$in": [_key_of("new"), stored_keys]}}
    fitting = _fitting_in_mongo(distinct, history)
    new = {"$filter": {"input": fitting, "as": "new", "cond": is_new}}
    max_size = {"$max": [MAX_REVISIONS, {"$size": history}]}
    both = {"$slice": [{"$concatArrays": [known, new]}, max_size]}
    in_order = {"$sortArray": {"input": both, "sortBy": dict.fromkeys(_KEY_FIELDS, 1)}}
    return [
        {"$set": {"history": in_order, **_literals(bound or {})}},
        {"$set": {"latest": _LATEST, "version": {"$size": "$history"}}},
    ]


def _fitting_in_mongo(distinct: Sequence[Document], history: Document) -> Document:
    """Return the expression for what :func:`_fitting` returns."""
    literal = {"$literal": [*distinct]}
    sizes = [*accumulate(text_bytes(item.get("label")) for item in distinct)]
    if sizes[-1:] == [0]:
        return literal
    is_text = {"$eq": [{"$type": "$$stored.label"}, "string"]}
    text = {"$cond": [is_text, "$$stored.label", {"$ifNull": ["$$stored.label.json", ""]}]}
    stored = {"$map": {"input": history, "as": "stored", "in": {"$strLenBytes": text}}}
    left = {"$subtract": [MAX_HISTORY_BYTES, {"$sum": stored}]}
    is_within = {"$lte": ["$$size", left]}
    count = {"$size": {"$filter": {"input": {"$literal": sizes}, "as": "size", "cond": is_within}}}
    return {"$cond": [{"$eq": [count, 0]}, [], {"$slice": [literal, {"$max": [count, 1]}]}]}


def _stands_in_mongo() -> Document:
    """Return the expression for the last of ``standing``."""
    is_withdrawal = {"$eq": ["$$step.withdrawn", True]}
    labels = {"$filter": {"input": "$history", "as": "step", "cond": {"$not": [is_withdrawal]}}}
    withdrawals = {"$filter": {"input": "$history", "as": "step", "cond": is_withdrawal}}
    is_meant: list[Document] = [{"$lte": ["$$label.observed_at", "$$withdrawal.observed_at"]}]
    for name in ("source", "label"):
        named = {"$ifNull": [f"$$withdrawal.{name}", f"$$label.{name}"]}
        is_meant.append({"$eq": [f"$$label.{name}", named]})
    meant = {"$filter": {"input": "$$labels", "as": "label", "cond": {"$and": is_meant}}}
    taken_back = {"$map": {"input": withdrawals, "as": "withdrawal", "in": {"$last": meant}}}
    stands = {"$not": [{"$in": ["$$label", "$$taken_back"]}]}
    left = {"$filter": {"input": "$$labels", "as": "label", "cond": stands}}
    last = {"$let": {"vars": {"taken_back": taken_back}, "in": {"$last": left}}}
    return {"$let": {"vars": {"labels": labels}, "in": last}}


_LATEST = _stands_in_mongo()


def _literals(fields: Document) -> Document:
    return {name: {"$literal": value} for name, value in fields.items()}


def _key_of(variable: str) -> list[str]:
    return [f"$${variable}.{name}" for name in _KEY_FIELDS]


def _distinct(observations: Sequence[Document]) -> dict[Key, Document]:
    """Return the first observation of each key, in order."""
    distinct: dict[Key, Document] = {}
    for observation in observations:
        distinct.setdefault(observation_key(observation), observation)
    return distinct
