"""What the server has: its indexes, and the changes that it makes to one of them in place."""

from collections.abc import Mapping
from typing import Any

from mongo_indexes.declare import Index
from mongo_indexes.definition import Definition, of_document
from mongo_indexes.step import Kind, Risk, Step


class Existing:
    """An index of the server, from its `listIndexes` document, which is kept for restoring it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        # With includeBuildUUIDs an unfinished index comes as {spec, buildUUID}; without, it looks
        # like any other.
        self.building = "buildUUID" in document
        self.document: Mapping[str, Any] = document.get("spec", document)
        self.name: str = self.document["name"]
        self.preparing = bool(self.document.get("prepareUnique"))
        self.definition = of_document(self.document)

    def can_become(self, wanted: Definition) -> bool:
        """Whether collMod leads there, or nothing has to be done.

        collMod sets a TTL and cannot take it away, makes an index unique and not the reverse.
        """
        have = self.definition
        if self.building:
            return have == wanted
        if wanted.ttl_seconds is None and have.ttl_seconds is not None:
            return False
        changeable = {"ttl_seconds", "hidden"} | ({"unique"} if wanted.unique else set())
        return changeable.issuperset(have.differences(wanted))

    def changes_to(self, wanted: Definition, index: Index, collection: str) -> list[Step]:
        """The steps to `wanted`, which it `can_become`: none, one or several."""
        if self.building:
            found = [(Kind.CREATE_INDEX, Risk.SLOW, "being built on the server: waits for it")]
        else:
            found = [*self._ttl(wanted), *self._unique(wanted), *self._hidden(wanted)]
        return [Step(collection, kind, self.name, risk, why, index) for kind, risk, why in found]

    def _ttl(self, wanted: Definition) -> list[tuple[Kind, Risk, str]]:
        before, after = self.definition.ttl_seconds, wanted.ttl_seconds
        if after is None or before == after:
            return []
        reason = f"from {'none' if before is None else f'{before} s'} to {after} s"
        if before is not None and 0 <= before < after:
            return [(Kind.CHANGE_TTL, Risk.SAFE, reason)]
        reason += ": documents older than that are deleted from now on"
        return [(Kind.CHANGE_TTL, Risk.DANGEROUS, reason)]

    def _unique(self, wanted: Definition) -> list[tuple[Kind, Risk, str]]:
        if wanted.unique and not self.definition.unique:
            reason = "reads the whole index; refused, and left as it was, if there are duplicates"
            return [(Kind.MAKE_UNIQUE, Risk.SLOW, reason)]
        if self.preparing and not wanted.unique:
            reason = "prepareUnique was left on, so it refuses duplicates; not declared unique"
            return [(Kind.ALLOW_DUPLICATES, Risk.SAFE, reason)]
        return []

    def _hidden(self, wanted: Definition) -> list[tuple[Kind, Risk, str]]:
        if wanted.hidden == self.definition.hidden:
            return []
        if wanted.hidden:
            return [(Kind.HIDE, Risk.SAFE, "declared hidden: no query uses it from now on")]
        return [(Kind.UNHIDE, Risk.SAFE, "hidden on the server: no query uses it")]
