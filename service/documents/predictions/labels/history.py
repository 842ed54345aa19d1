"""The history of a prediction's labels: a set of observations, in the order they were observed.

An observation is who saw what and when: ``observed_at``, ``source`` and ``label``. Told again it
adds nothing, and when it was received is when that was first. So a history is the same, whatever
the order in which its observations were delivered, and however often.

The rule stands here twice, in Python and as an update that MongoDB carries out by itself; the tests
hold one against the other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from service.stores.mongo.client import Document

MOST_REVISIONS = 1000
Change = Literal["labelled", "revised", "unchanged", "refused"]
Place = tuple[datetime, str, int, Any]
_SAID = ("observed_at", "source", "label")


def as_kept(label: Any) -> Any:
    """A whole number is an integer, also if it came as 1.0: they are one number in JSON.

    As two, which MongoDB takes for equal, the one that came first would stay.
    """
    if isinstance(label, float) and label.is_integer() and -(2**63) <= label < 2**63:
        return int(label)
    return label


def merged(
    history: Sequence[Document], told: Sequence[Document]
) -> tuple[list[Document], list[Change]]:
    """The history with what is told now, and what each of that did to it, one after the other.

    ``labelled``: the first ever. ``revised``: new, and it became the latest. ``unchanged``: known,
    or older than the latest. ``refused``: new, and there are :data:`MOST_REVISIONS` already.
    """
    known = {_place(each): each for each in history}
    latest = max(known, default=None)
    changes: list[Change] = []
    for observation in told:
        place = _place(observation)
        seen = known.get(place)
        if seen is not None:
            earliest = min(seen["received_at"], observation["received_at"])
            known[place] = {**seen, "received_at": earliest}
            changes.append("unchanged")
        elif len(known) >= MOST_REVISIONS:
            changes.append("refused")
        else:
            known[place] = observation
            changes.append(_change(place, latest))
            latest = place if latest is None else max(latest, place)
    return [known[place] for place in sorted(known)], changes


def _change(place: Place, latest: Place | None) -> Change:
    if latest is None:
        return "labelled"
    return "revised" if place > latest else "unchanged"


def _place(observation: Document) -> Place:
    """Where it stands: BSON's order, in which numbers come before text, and booleans last."""
    label = observation["label"]
    kind = 2 if isinstance(label, bool) else int(isinstance(label, str))
    return observation["observed_at"], observation["source"], kind, label


def document_of(prediction_id: object, history: list[Document]) -> Document:
    """What is kept of a prediction whose labels these are."""
    latest = history[-1]
    return {"_id": prediction_id, "history": history, "latest": latest, "version": len(history)}


def with_observations(told: Sequence[Document]) -> list[Document]:
    """The update that merges what is told, all received at one time, into a history: atomic.

    Whatever a client said stands in a literal, so that no part of it can be an operator.
    """
    received_at = told[0]["received_at"]
    history = {"$ifNull": ["$history", []]}
    told_places = {"$literal": [[each[name] for name in _SAID] for each in told]}
    places = {"$map": {"input": history, "as": "seen", "in": _place_in("seen")}}
    earliest = {"received_at": {"$min": ["$$seen.received_at", received_at]}}
    told_again = {"$in": [_place_in("seen"), told_places]}
    seen = {"$cond": [told_again, {"$mergeObjects": ["$$seen", earliest]}, "$$seen"]}
    kept = {"$map": {"input": history, "as": "seen", "in": seen}}
    is_new = {"$not": {"$in": [_place_in("new"), places]}}
    new = {"$filter": {"input": {"$literal": _distinct(told)}, "as": "new", "cond": is_new}}
    most = {"$max": [MOST_REVISIONS, {"$size": history}]}
    both = {"$slice": [{"$concatArrays": [kept, new]}, most]}
    in_order = {"$sortArray": {"input": both, "sortBy": dict.fromkeys(_SAID, 1)}}
    return [
        {"$set": {"history": in_order}},
        {"$set": {"latest": {"$last": "$history"}, "version": {"$size": "$history"}}},
    ]


def _place_in(variable: str) -> list[str]:
    return [f"$${variable}.{name}" for name in _SAID]


def _distinct(told: Sequence[Document]) -> list[Document]:
    distinct: dict[Place, Document] = {}
    for each in told:
        distinct.setdefault(_place(each), each)
    return list(distinct.values())
