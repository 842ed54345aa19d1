"""One step of a plan: the change, its target, its risk and its reason."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mongo_indexes.declare import Index


class Kind(StrEnum):
    """The change that a step makes.

    KEEP makes none: it reports what is not declared. REFUSE makes none: apply ends before its
    first step, because the collection cannot become what is declared.
    """

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
    REFUSE = "refuse"


class Risk(StrEnum):
    """How much harm a step can do.

    SAFE is instant and can be undone. SLOW reads the collection. DANGEROUS leaves queries without
    an index for a while, refuses writes or deletes data; so does a refused collection as it is.
    """

    SAFE = "safe"
    SLOW = "slow"
    DANGEROUS = "dangerous"


@dataclass(frozen=True)
class Step:
    """One change. `name` is the index, `validator`, or empty for the collection itself.

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
        """Whether applying it changes the database."""
        return self.kind not in {Kind.KEEP, Kind.REFUSE}

    @property
    def missing(self) -> bool:
        """Whether a declared index does not exist: queries are slow or duplicates get in."""
        return self.kind in {Kind.CREATE_INDEX, Kind.REPLACE_INDEX, Kind.MAKE_UNIQUE}

    @property
    def target(self) -> str:
        """The changed object, such as `predictions.ix_predictions_model`."""
        return f"{self.collection}.{self.name}" if self.name else self.collection
