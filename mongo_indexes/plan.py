"""What has to be done, from the declaration and from what the server says it has. No I/O here.

Every driver can bring the documents: `diff` takes those of `listIndexes` as they are. Rules, each
tried on MongoDB 6.0.5: two indexes coexist if their names differ *and* one of key pattern, unique,
sparse, partial filter, collation, wildcard projection; TTL and hidden do not tell indexes apart,
but collMod changes them in place; nothing renames an index. Hence a changed definition is built
before the old one goes if it has a name of its own, and replaced, with a gap, if it kept its name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mongo_indexes.declare import Collection, Index
from mongo_indexes.definition import Definition, canonical, of_declared
from mongo_indexes.server_index import Existing
from mongo_indexes.step import Kind, Risk, Step


def diff(
    declared: Collection,
    existing_indexes: Sequence[Mapping[str, Any]],
    existing_options: Mapping[str, Any] | None,
    *,
    prune: bool = False,
    documents: int | None = None,
) -> list[Step]:
    """The steps that make the collection what is declared, in the order in which to take them.

    `existing_indexes`: documents of listIndexes, with or without `includeBuildUUIDs`.
    `existing_options`: the `options` of listCollections, None if there is no such collection.
    `prune`: hide what nobody declared, and drop what is hidden already; without it, it is kept.
    `documents`: how many there are about; it only makes the risks more truthful.
    """
    if existing_options is None:
        why = "does not exist yet"
        create = Step(declared.name, Kind.CREATE_COLLECTION, "", Risk.SAFE, why)
        return [
            create,
            *_validator(declared, {}, prune, 0),
            *(_create(declared, index, 0) for index in declared.indexes),
        ]
    existing = [Existing(document) for document in existing_indexes]
    existing = [index for index in existing if index.name != "_id_"]
    collation = existing_options.get("collation")
    steps, dropped = _declared(declared, existing, collation, documents)
    names = {index.name for index in declared.indexes} | dropped
    left = [index for index in existing if index.name not in names]
    return [
        *_validator(declared, existing_options, prune, documents),
        *steps,
        *(_undeclared(declared, index, prune) for index in left),
    ]


def _declared(
    declared: Collection,
    existing: Sequence[Existing],
    collation: Mapping[str, Any] | None,
    documents: int | None,
) -> tuple[list[Step], set[str]]:
    """What is built or changed in place, then what is replaced; and the names that this drops."""
    first: list[Step] = []
    last: list[Step] = []
    dropped: set[str] = set()
    for index in declared.indexes:
        wanted = of_declared(index, collation)
        here = next((each for each in existing if each.name == index.name), None)
        in_the_way = _twins(wanted, index, existing)
        if here and here.can_become(wanted) and not in_the_way:
            first += here.changes_to(wanted, index, declared.name)
            continue
        in_the_way = [here, *in_the_way] if here else in_the_way
        if not in_the_way:
            first.append(_create(declared, index, documents))
        elif fresh := [each for each in in_the_way if each.name not in dropped]:
            dropped |= {each.name for each in fresh}
            last.append(_replace(declared, index, wanted, fresh))
        else:  # an earlier replacement has made room
            last.append(_create(declared, index, documents))
    return [*first, *last], dropped


def _twins(wanted: Definition, index: Index, existing: Sequence[Existing]) -> list[Existing]:
    """Indexes of another name that the server will not have beside the wanted one."""

    def excludes(have: Definition) -> bool:
        both_text = index.is_text and ("_fts", "text") in have.keys
        return both_text or have.signature == wanted.signature

    return [each for each in existing if each.name != index.name and excludes(each.definition)]


def _create(declared: Collection, index: Index, documents: int | None) -> Step:
    risk = Risk.SAFE if documents == 0 else Risk.SLOW
    reason = index.why
    if documents:
        reason += f" (reads about {documents:,} documents)"
    return Step(declared.name, Kind.CREATE_INDEX, index.name, risk, reason, index)


def _replace(
    declared: Collection, index: Index, wanted: Definition, in_the_way: Sequence[Existing]
) -> Step:
    reasons = []
    for each in in_the_way:
        other = ", ".join(each.definition.differences(wanted))
        if each.name == index.name:
            reasons.append(f"declared otherwise ({other}) under its old name")
        else:
            other = f" with another {other}" if other else ""
            reasons.append(f"exists as {each.name}{other}; nothing renames an index")
    reasons.append("dropped, then built: nothing serves its queries meanwhile")
    if in_the_way[0].name == index.name:
        reasons.append("a new name would be built before the old one goes")
    return Step(
        declared.name,
        Kind.REPLACE_INDEX,
        index.name,
        Risk.DANGEROUS,
        "; ".join(reasons),
        index,
        drops=tuple(each.document for each in in_the_way),
    )


def _undeclared(declared: Collection, existing: Existing, prune: bool) -> Step:
    hidden = existing.definition.hidden
    if existing.building:
        kind, risk, fate = Kind.KEEP, Risk.SAFE, "being built"
    elif not prune:
        kind, risk = Kind.KEEP, Risk.SAFE
        fate = "kept hidden (--prune drops it)" if hidden else "kept (--prune hides it first)"
    elif not hidden:
        kind, risk = Kind.HIDE, Risk.SAFE
        fate = "hidden now; the next --prune drops it, if nobody missed it"
    else:
        kind, risk, fate = Kind.DROP_INDEX, Risk.DANGEROUS, "hidden already, so dropped"
    return Step(declared.name, kind, existing.name, risk, f"nobody declared it: {fate}")


def _validator(
    declared: Collection, options: Mapping[str, Any], prune: bool, documents: int | None
) -> list[Step]:
    def step(kind: Kind, risk: Risk, reason: str) -> list[Step]:
        validator = declared.validator
        return [Step(declared.name, kind, "validator", risk, reason, validator=validator)]

    have = options.get("validator") or {}
    if declared.validator is None:
        if not have:
            return []
        if not prune:
            return step(Kind.KEEP, Risk.SAFE, "nobody declared it: kept (--prune removes it)")
        reason = "nobody declared it: documents of any shape are taken from now on"
        return step(Kind.DROP_VALIDATOR, Risk.DANGEROUS, reason)
    # Left out by the server where they are the defaults.
    level = options.get("validationLevel", "strict"), options.get("validationAction", "error")
    if canonical(have) == canonical(declared.validator) and level == ("strict", "error"):
        return []
    reason = "writes that do not fit it are refused; stored documents are not looked at"
    return step(Kind.SET_VALIDATOR, Risk.SAFE if documents == 0 else Risk.DANGEROUS, reason)
