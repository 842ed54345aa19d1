"""The words in which a collection is declared. Mistakes raise `DeclarationError` at import."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from pymongo import IndexModel

Key = tuple[str, int | str]
Keys = tuple[Key, ...]

# The server stores the seconds in an int32; collMod refuses more.
MAX_TTL_SECONDS = 2**31 - 1


class DeclarationError(ValueError):
    """A declaration that MongoDB would refuse or people could not understand."""


@dataclass(frozen=True)
class Index:
    """One index: its keys in order, such as `[("model", 1), ("timestamp", -1)]`, and its why.

    `partial` is the partialFilterExpression. `collation` is the collation document; the server
    adds its defaults. `weights` and `default_language` belong to a text index,
    `wildcard_projection` to a wildcard index. Raises DeclarationError.
    """

    name: str
    keys: Sequence[Key]
    _: KW_ONLY
    why: str
    unique: bool = False
    partial: Mapping[str, Any] | None = None
    ttl_seconds: int | None = None
    sparse: bool = False
    hidden: bool = False
    collation: Mapping[str, Any] | None = None
    weights: Mapping[str, int] | None = None
    default_language: str | None = None
    wildcard_projection: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        self._check_words()
        self._check_keys()
        self._check_options()

    @property
    def pattern(self) -> Keys:
        """The key pattern. Its order matters: {a, b} is not {b, a}."""
        return tuple(self.keys)

    @property
    def is_text(self) -> bool:
        """Whether it is a text index. A collection can have one."""
        return any(direction == "text" for _, direction in self.keys)

    def options(self) -> dict[str, Any]:
        """Return its options under the server's names, without those at their default."""
        options: dict[str, Any] = {
            "unique": self.unique or None,
            "sparse": self.sparse or None,
            "hidden": self.hidden or None,
            "expireAfterSeconds": self.ttl_seconds,
            "partialFilterExpression": self.partial,
            "collation": self.collation,
            "weights": self.weights,
            "default_language": self.default_language,
            "wildcardProjection": self.wildcard_projection,
        }
        return {option: value for option, value in options.items() if value is not None}

    def model(self) -> IndexModel:
        """Return the model for pymongo's `create_indexes`."""
        return IndexModel(list(self.keys), name=self.name, **self.options())

    def _check_words(self) -> None:
        if not self.name.strip() or self.name in {"_id_", "*"}:
            raise DeclarationError(f"an index cannot be named {self.name!r}")
        if not self.why.strip():
            raise DeclarationError(f"index {self.name}: say why it is there")

    def _check_keys(self) -> None:
        # (("a", 1)) is one pair, not a sequence of pairs: the usual slip.
        keys: list[Any] = list(self.keys)
        if not keys or not all(isinstance(key, tuple) and len(key) == 2 for key in keys):
            raise DeclarationError(f'index {self.name}: keys look like [("a", 1), ("b", -1)]')
        fields = [field for field, _ in self.keys]
        if len(set(fields)) != len(fields):
            raise DeclarationError(f"index {self.name}: a field occurs twice")
        if fields == ["_id"]:
            raise DeclarationError(f"index {self.name}: the server keeps an index on _id itself")

    def _check_options(self) -> None:
        if self.ttl_seconds is not None:
            if len(self.keys) != 1:
                raise DeclarationError(f"index {self.name}: a TTL index has one key")
            if not 0 <= self.ttl_seconds <= MAX_TTL_SECONDS:
                raise DeclarationError(f"index {self.name}: ttl_seconds is from 0 to 2147483647")
        if self.sparse and self.partial is not None:
            raise DeclarationError(f"index {self.name}: sparse and partial exclude each other")
        if (self.weights or self.default_language) and not self.is_text:
            raise DeclarationError(f"index {self.name}: weights and language need a text key")


@dataclass(frozen=True, kw_only=True)
class CollectionSpec:
    """One collection: why it exists, its indexes, and its validator (a `$jsonSchema` document).

    The validator is strict and refuses (validationLevel strict, validationAction error).

    Raises DeclarationError for a missing why, for two indexes of one name or with one key pattern,
    and for two text indexes. MongoDB allows two indexes with one key pattern, but a hint by key is
    then ambiguous.
    """

    name: str
    why: str
    indexes: tuple[Index, ...] = ()
    validator: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.name.strip() or "$" in self.name or self.name.startswith("system."):
            raise DeclarationError(f"a collection cannot be named {self.name!r}")
        if not self.why.strip():
            raise DeclarationError(f"collection {self.name}: say why it is there")
        if self.validator is not None and set(self.validator) != {"$jsonSchema"}:
            raise DeclarationError(f'collection {self.name}: a validator is {{"$jsonSchema": …}}')
        names: dict[str, Index] = {}
        patterns: dict[Keys, Index] = {}
        for index in self.indexes:
            if index.name in names:
                raise DeclarationError(f"{self.name}: two indexes are named {index.name}")
            twin = patterns.get(index.pattern)
            if twin is not None:
                raise DeclarationError(
                    f"{self.name}: {twin.name} and {index.name} have the same keys"
                )
            names[index.name] = patterns[index.pattern] = index
        if sum(index.is_text for index in self.indexes) > 1:
            raise DeclarationError(f"{self.name}: a collection has at most one text index")
