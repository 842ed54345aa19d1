"""An index as the server has it, and the changes to it that the server can make in place."""

from collections.abc import Mapping
from typing import Any

from mongo_indexes.declare import Index
from mongo_indexes.definition import Definition
from mongo_indexes.step import Kind, Risk, Step


class ServerIndex:
    """One document of `listIndexes`. The document is kept, so that the index can be restored."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        # With includeBuildUUIDs an unfinished index comes as {spec, buildUUID}; without, it looks
        # like any other.
        self.building = "buildUUID" in document
        self.document: Mapping[str, Any] = document.get("spec", document)
        self.name: str = self.document["name"]
        # A clustered collection has its own index on _id, of any name.
        self.is_on_id = self.name == "_id_" or bool(self.document.get("clustered"))
        self.preparing = bool(self.document.get("prepareUnique"))
        self.definition = Definition.from_document(self.document)

    def can_become(self, wanted: Definition) -> bool:
        """Return whether collMod can change this index into `wanted`, or no change is needed.

        collMod sets a TTL but cannot remove it; it makes an index unique, but not the reverse.
        """
        current = self.definition
        if self.building:
            return current == wanted
        if wanted.ttl_seconds is None and current.ttl_seconds is not None:
            return False
        changeable = {"ttl_seconds", "hidden"} | ({"unique"} if wanted.unique else set())
        return changeable.issuperset(current.differences(wanted))

    def steps_to(self, wanted: Definition, index: Index, collection: str) -> list[Step]:
        """Return the steps that change this index into `wanted`, which it `can_become`."""
        if self.building:
            changes = [(Kind.CREATE_INDEX, Risk.SLOW, "being built on the server: waits for it")]
        else:
            changes = [*self._ttl(wanted), *self._unique(wanted), *self._hidden(wanted)]
        return [Step(collection, kind, self.name, risk, why, index) for kind, risk, why in changes]

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
