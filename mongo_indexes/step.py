"""One step of a plan: what, on which index, how risky, and why, in one line for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mongo_indexes.declare import Index


class Kind(StrEnum):
    """What a step does. KEEP does nothing: it reports what nobody declared."""

    CREATE_COLLECTION = "create_collection"
    SET_VALIDATOR = "set_validator"
    DROP_VALIDATOR = "drop_validator"
    CREATE_INDEX = "create_index"
    CHANGE_TTL = "change_ttl"
    MAKE_UNIQUE = "make_unique"
    ALLOW_DUPLICATES = "allow_duplicates"
    HIDE = "hide"
    UNHIDE = "unhide"
    REPLACE_INDEX = "replace_index"
    DROP_INDEX = "drop_index"
    KEEP = "keep"


class Risk(StrEnum):
    """SAFE is instant and can be taken back, SLOW reads the collection, DANGEROUS leaves a gap,
    refuses writes or deletes data."""

    SAFE = "safe"
    SLOW = "slow"
    DANGEROUS = "dangerous"


@dataclass(frozen=True)
class Step:
    """`name` is the index, `validator`, or empty for the collection itself.

    `drops` are the server's documents of the indexes that a replacement drops first.
    """

    collection: str
    kind: Kind
    name: str
    risk: Risk
    reason: str
    index: Index | None = None
    drops: tuple[Mapping[str, Any], ...] = ()
    validator: Mapping[str, Any] | None = None

    @property
    def changes(self) -> bool:
        """Whether applying it does anything."""
        return self.kind is not Kind.KEEP

    @property
    def missing(self) -> bool:
        """Whether a declared index is not there: queries are slow or duplicates get in."""
        return self.kind in {Kind.CREATE_INDEX, Kind.REPLACE_INDEX, Kind.MAKE_UNIQUE}

    @property
    def target(self) -> str:
        """Such as `predictions.ix_predictions_model`."""
        return f"{self.collection}.{self.name}" if self.name else self.collection
