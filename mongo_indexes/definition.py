"""What an index *is*, in one form for the declaration and for the server's document.

The server fills in defaults, keeps what it does not need (`v`, `background`) and returns its own
types; two definitions are equal here exactly if they behave the same. Tried on MongoDB 6.0.5.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import bson
from bson import json_util
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions

from mongo_indexes.collation import filled_in
from mongo_indexes.declare import Index, Keys

_UUIDS: CodecOptions[dict[str, Any]] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)

# Said by the server for its own bookkeeping; says nothing about what the index does.
_BOOKKEEPING = frozenset(
    {"v", "ns", "background", "textIndexVersion", "2dsphereIndexVersion", "buildUUID"}
)


@dataclass(frozen=True)
class Definition:
    """An index without its name. `partial`, `collation` and `others` are canonical JSON texts."""

    keys: Keys
    unique: bool
    sparse: bool
    partial: str
    collation: str
    others: str
    ttl_seconds: int | None
    hidden: bool

    @property
    def signature(self) -> tuple[Any, ...]:
        """Two indexes of one signature cannot coexist, whatever their names (error 85).

        TTL and hidden are not part of it.
        """
        return (self.keys, self.unique, self.sparse, self.partial, self.collation, self.others)

    def differences(self, other: "Definition") -> list[str]:
        """The names of what `other` has otherwise, such as `["unique", "partial"]`."""
        names = [each.name for each in fields(self)]
        return [name for name in names if getattr(self, name) != getattr(other, name)]


def of_declared(index: Index, inherited_collation: Mapping[str, Any] | None) -> Definition:
    """The definition that the server will show for a declared index.

    An index without a collation inherits that of its collection.
    """
    options = index.options()
    keys, weights = index.pattern, index.weights
    if index.is_text:
        texts = [name for name, direction in keys if direction == "text"]
        keys = _as_the_server_keeps_text(keys)
        weights = dict.fromkeys(texts, 1) | dict(index.weights or {})
        options |= {
            "default_language": index.default_language or "english",
            "language_override": "language",
        }
    if index.collation is None and inherited_collation is not None:
        options["collation"] = inherited_collation
    return of_document({**options, "key": dict(keys), "weights": weights})


def of_document(document: Mapping[str, Any]) -> Definition:
    """The definition in a document of `listIndexes` (the index itself, not its name)."""
    known = {"key", "name", "unique", "sparse", "hidden", "prepareUnique", "collation",
             "partialFilterExpression", "expireAfterSeconds"}  # fmt: skip
    others = {
        option: value
        for option, value in document.items()
        if option not in known | _BOOKKEEPING and value is not None and value is not False
    }
    partial = document.get("partialFilterExpression")
    return Definition(
        keys=tuple(document["key"].items()),
        unique=bool(document.get("unique")),
        sparse=bool(document.get("sparse")),
        partial="" if partial is None else canonical(partial),
        collation=canonical(filled_in(document.get("collation"))),
        others=canonical(others),
        ttl_seconds=_seconds(document.get("expireAfterSeconds")),
        hidden=bool(document.get("hidden")),
    )


def canonical(document: Mapping[str, Any]) -> str:
    """One text per meaning: keys sorted, whole floats as integers, dates and UUIDs as in BSON.

    True and 1 stay different, as they are for the server and are not for Python.
    """
    as_stored = bson.decode(bson.encode(document, codec_options=_UUIDS), codec_options=_UUIDS)
    return json_util.dumps(_sorted(as_stored), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _as_the_server_keeps_text(keys: Keys) -> Keys:
    """All text fields become one pair of keys at the place of the first; `weights` names them."""
    first = next(place for place, (_, direction) in enumerate(keys) if direction == "text")
    others = [key for key in keys if key[1] != "text"]
    return (*others[:first], ("_fts", "text"), ("_ftsx", 1), *others[first:])


def _seconds(value: float | None) -> int | None:
    """Old servers kept NaN; it is no number of seconds, and equal to none that can be declared."""
    if value is None:
        return None
    return int(value) if math.isfinite(value) else -1
