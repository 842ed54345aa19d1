"""One form of an index for the declaration and for the server's document.

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

from mongo_indexes.collation import with_defaults
from mongo_indexes.declare import Index, Keys

_UUIDS: CodecOptions[dict[str, Any]] = CodecOptions(uuid_representation=UuidRepresentation.STANDARD)

# The server's own bookkeeping, without effect on what the index does.
_BOOKKEEPING = frozenset(
    {"v", "ns", "background", "textIndexVersion", "2dsphereIndexVersion", "buildUUID"}
)
# Options that are not among `others`: the name and the state are no part of a definition.
_COMPARED = frozenset(
    {"key", "name", "unique", "sparse", "hidden", "prepareUnique", "collation",
     "partialFilterExpression", "expireAfterSeconds"}
)  # fmt: skip


@dataclass(frozen=True)
class Definition:
    """An index without its name. `partial`, `collation` and `others` are canonical JSON."""

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
        """The parts by which the server distinguishes indexes; TTL and hidden are not among them.

        Two indexes of one signature cannot coexist, whatever their names (error 85).
        """
        return (self.keys, self.unique, self.sparse, self.partial, self.collation, self.others)

    def differences(self, other: "Definition") -> list[str]:
        """Return the names of the fields that differ, such as `["unique", "partial"]`."""
        names = [field.name for field in fields(self)]
        return [name for name in names if getattr(self, name) != getattr(other, name)]

    @classmethod
    def from_declared(cls, index: Index) -> "Definition":
        """Return the definition that the server will show for a declared index.

        The collection has no default collation that the index would inherit; see `refusals.py`.
        """
        options = index.options()
        keys, weights = index.pattern, index.weights
        if index.is_text:
            texts = [name for name, direction in keys if direction == "text"]
            keys = _stored_text_keys(keys)
            weights = dict.fromkeys(texts, 1) | dict(index.weights or {})
            options |= {
                "default_language": index.default_language or "english",
                "language_override": "language",
            }
        return cls.from_document({**options, "key": dict(keys), "weights": weights})

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Definition":
        """Return the definition in a document of `listIndexes`."""
        others = {
            option: value
            for option, value in document.items()
            if option not in _COMPARED | _BOOKKEEPING and value is not None and value is not False
        }
        partial = document.get("partialFilterExpression")
        return cls(
            keys=tuple(document["key"].items()),
            unique=bool(document.get("unique")),
            sparse=bool(document.get("sparse")),
            partial="" if partial is None else canonical_json(partial),
            collation=canonical_json(with_defaults(document.get("collation"))),
            others=canonical_json(others),
            ttl_seconds=_whole_seconds(document.get("expireAfterSeconds")),
            hidden=bool(document.get("hidden")),
        )


def canonical_json(document: Mapping[str, Any]) -> str:
    """Return one JSON text per meaning: keys sorted, whole floats as integers, values as in BSON.

    True and 1 stay different, because the server distinguishes them although Python does not.
    """
    as_stored = bson.decode(bson.encode(document, codec_options=_UUIDS), codec_options=_UUIDS)
    return json_util.dumps(_sorted(as_stored), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _stored_text_keys(keys: Keys) -> Keys:
    """Replace all text fields by one pair of keys at the first one's place, as the server does.

    The fields' names are in `weights`.
    """
    first = next(position for position, (_, direction) in enumerate(keys) if direction == "text")
    others = [key for key in keys if key[1] != "text"]
    return (*others[:first], ("_fts", "text"), ("_ftsx", 1), *others[first:])


def _whole_seconds(value: float | None) -> int | None:
    # Old servers stored NaN; -1 differs from every TTL that can be declared.
    if value is None:
        return None
    return int(value) if math.isfinite(value) else -1
