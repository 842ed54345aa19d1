"""The steps from what the server has to what is declared. No I/O here.

`diff` takes the documents of `listIndexes` as they are, from any driver. Rules, each tried on
MongoDB 6.0.5:

- Two indexes coexist if their names differ *and* one of key pattern, unique, sparse, partial
  filter, collation, wildcard projection.
- TTL and hidden do not distinguish indexes, but collMod changes them in place.
- No command renames an index.

Hence a changed definition with a new name is built before the old index is dropped. One that keeps
its name is replaced, and its queries have no index in between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mongo_indexes.declare import CollectionSpec, Index
from mongo_indexes.definition import Definition, canonical_json
from mongo_indexes.refusals import refusals
from mongo_indexes.server_index import ServerIndex
from mongo_indexes.step import Kind, Risk, Step


def diff(
    declared: CollectionSpec,
    server_indexes: Sequence[Mapping[str, Any]],
    server_options: Mapping[str, Any] | None,
    *,
    prune: bool = False,
    documents: int | None = None,
) -> list[Step]:
    """Return the steps that make the collection what is declared, in the order of execution.

    If it cannot become that, return steps of kind REFUSE alone, with the reasons.

    `server_indexes`: documents of listIndexes, with or without `includeBuildUUIDs`.
    `server_options`: the `options` of listCollections, None if the collection does not exist.
    `prune`: hide undeclared indexes, drop the hidden ones; by default they are kept.
    `documents`: their approximate number; used only for the risks and in the reasons.
    """
    if server_options is None:
        why = "does not exist yet"
        create = Step(declared.name, Kind.CREATE_COLLECTION, "", Risk.SAFE, why)
        return [
            create,
            *_validator(declared, {}, prune, 0),
            *(_create(declared, index, 0) for index in declared.indexes),
        ]
    refused = refusals(declared, server_options)
    if refused:
        return refused
    existing = [ServerIndex(document) for document in server_indexes]
    existing = [index for index in existing if not index.is_on_id]
    steps, dropped = _declared(declared, existing, documents)
    names = {index.name for index in declared.indexes} | dropped
    left = [index for index in existing if index.name not in names]
    return [
        *_validator(declared, server_options, prune, documents),
        *steps,
        *(_undeclared(declared, index, prune) for index in left),
    ]


def _declared(
    declared: CollectionSpec,
    existing: Sequence[ServerIndex],
    documents: int | None,
) -> tuple[list[Step], set[str]]:
    """Return builds and changes in place, then replacements; and the names that these drop."""
    first: list[Step] = []
    last: list[Step] = []
    dropped: set[str] = set()
    for index in declared.indexes:
        wanted = Definition.from_declared(index)
        current = next((other for other in existing if other.name == index.name), None)
        conflicts = _conflicts(wanted, index, existing)
        if current and current.can_become(wanted) and not conflicts:
            first += current.steps_to(wanted, index, declared.name)
            continue
        conflicts = [current, *conflicts] if current else conflicts
        if not conflicts:
            first.append(_create(declared, index, documents))
        elif to_drop := [other for other in conflicts if other.name not in dropped]:
            dropped |= {other.name for other in to_drop}
            last.append(_replace(declared, index, wanted, to_drop))
        else:  # an earlier replacement drops all of them
            last.append(_create(declared, index, documents))
    return [*first, *last], dropped


def _conflicts(
    wanted: Definition, index: Index, existing: Sequence[ServerIndex]
) -> list[ServerIndex]:
    """Return the indexes of another name that the server does not allow beside the wanted one."""

    def excludes(other: Definition) -> bool:
        both_text = index.is_text and ("_fts", "text") in other.keys
        return both_text or other.signature == wanted.signature

    return [other for other in existing if other.name != index.name and excludes(other.definition)]


def _create(declared: CollectionSpec, index: Index, documents: int | None) -> Step:
    risk = Risk.SAFE if documents == 0 else Risk.SLOW
    reason = index.why
    if documents:
        reason += f" (reads about {documents:,} documents)"
    return Step(declared.name, Kind.CREATE_INDEX, index.name, risk, reason, index)


def _replace(
    declared: CollectionSpec, index: Index, wanted: Definition, to_drop: Sequence[ServerIndex]
) -> Step:
    reasons = []
    for current in to_drop:
        changed = ", ".join(current.definition.differences(wanted))
        if current.name == index.name:
            reasons.append(f"definition changed ({changed}) under the same name")
        else:
            changed = f" with another definition ({changed})" if changed else ""
            reasons.append(f"exists as {current.name}{changed}; indexes cannot be renamed")
    reasons.append("dropped, then built: its queries have no index meanwhile")
    if to_drop[0].name == index.name:
        reasons.append("under a new name it would be built before the old one is dropped")
    return Step(
        declared.name,
        Kind.REPLACE_INDEX,
        index.name,
        Risk.DANGEROUS,
        "; ".join(reasons),
        index,
        drops=tuple(current.document for current in to_drop),
    )


def _undeclared(declared: CollectionSpec, index: ServerIndex, prune: bool) -> Step:
    hidden = index.definition.hidden
    if index.building:
        kind, risk, action = Kind.KEEP, Risk.SAFE, "being built"
    elif not prune:
        kind, risk = Kind.KEEP, Risk.SAFE
        action = "kept hidden (--prune drops it)" if hidden else "kept (--prune hides it first)"
    elif not hidden:
        kind, risk = Kind.HIDE, Risk.SAFE
        action = "hidden now; the next --prune drops it, unless it is unhidden before"
    else:
        kind, risk, action = Kind.DROP_INDEX, Risk.DANGEROUS, "hidden before, so dropped"
    return Step(declared.name, kind, index.name, risk, f"not declared: {action}")


def _validator(
    declared: CollectionSpec, options: Mapping[str, Any], prune: bool, documents: int | None
) -> list[Step]:
    def step(kind: Kind, risk: Risk, reason: str) -> list[Step]:
        validator = declared.validator
        return [Step(declared.name, kind, "validator", risk, reason, validator=validator)]

    current = options.get("validator") or {}
    if declared.validator is None:
        if not current:
            return []
        if not prune:
            return step(Kind.KEEP, Risk.SAFE, "not declared: kept (--prune removes it)")
        reason = "not declared: documents of any shape are accepted from now on"
        return step(Kind.DROP_VALIDATOR, Risk.DANGEROUS, reason)
    # The server leaves these out where they are the defaults.
    level = options.get("validationLevel", "strict"), options.get("validationAction", "error")
    same = canonical_json(current) == canonical_json(declared.validator)
    if same and level == ("strict", "error"):
        return []
    reason = "writes that break it are refused from now on; stored documents are not checked"
    return step(Kind.SET_VALIDATOR, Risk.SAFE if documents == 0 else Risk.DANGEROUS, reason)
