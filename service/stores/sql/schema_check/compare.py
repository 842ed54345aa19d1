"""Compare two catalogs: the schema that the migrations make, and a database."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from service.stores.sql.schema_check import remedies
from service.stores.sql.schema_check.objects import (
    Catalog,
    CatalogObject,
    Difference,
    Foreign,
    Key,
    Problem,
)

COMPARED = {
    "type": ("kind", "definition"),
    "sequence": ("definition", "of_column"),
    "function": ("kind", "result", "definition"),
    "relation": (
        "kind", "definition", "persistence", "row_security", "row_security_of_owner",
        "replica_identity", "options", "parents",
    ),
    "column": (
        "type", "collation", "nullability", "generated", "expression", "default", "identity",
        "statistics",
    ),
    "constraint": ("definition", "validity", "enabled"),
    "index": ("definition", "options", "validity"),
    "statistics": ("definition",),
    "trigger": ("definition", "enabled"),
    "rule": ("definition", "enabled"),
    "policy": ("definition",),
}  # fmt: skip
# The remedy for such a difference makes the object anew, so that its other differences go as well.
SETTLING = {"kind", "result", "definition", "generated"}
# A different column of these kinds changes the text of what is defined on it.
RETYPED = {"type", "collation", "generated"}
# `column IN ('a', 'b')`, as PostgreSQL writes it for a column of type varchar.
VARCHAR = "::character varying"
CAST_ARRAY = re.compile(rf"ARRAY\[((?:'(?:[^']|'')*'{VARCHAR}(?:, )?)+)\]::text\[\]")


def compare(expected: Catalog, actual: Catalog) -> tuple[Difference, ...]:
    """Return the differences, each once, in an order in which their remedies can be executed.

    Left out is what follows from another difference: what is on a missing table, and a definition
    on a column of another type.
    """
    replaced = set(_replaced_relations(expected, actual))
    kept = [item for item in expected.objects.values() if item.key.table not in replaced]
    found = [change for item in kept for change in _differences(item, expected, actual)]
    return (
        *_joined(found),
        *(_extra(item) for item in reversed(_additional(expected, actual)) if not item.extension),
    )


def foreign(expected: Catalog, actual: Catalog) -> tuple[Foreign, ...]:
    """Return what no migration made: extensions and schemas, then whole objects, by name.

    Objects of an extension are listed only if they are on a table of ours.
    """
    ours = {(item.kind, item.name) for item in expected.others}
    others = (item for item in actual.others if (item.kind, item.name) not in ours)
    whole = (
        item
        for item in actual.objects.values()
        if item.key not in expected.objects
        and not (item.key.table or item.extension or item.values.get("of_column"))
    )
    on_ours = (item for item in _additional(expected, actual) if item.extension)
    return (
        *others,
        *(Foreign(i.kind, i.key.name, i.owner, i.extension) for i in (*whole, *on_ours)),
    )


def _replaced_relations(expected: Catalog, actual: Catalog) -> Iterator[str]:
    """Yield the relations that are missing, or of another kind."""
    for key, item in expected.objects.items():
        if key.group == "relation":
            found = actual.objects.get(key)
            if found is None or found.kind != item.kind:
                yield key.name


def _differences(item: CatalogObject, expected: Catalog, actual: Catalog) -> Iterator[Difference]:
    found = actual.objects.get(item.key)
    if found is None:
        if not _is_implied(item):
            text = remedies.description(item)
            yield _difference(item, "missing", None, text, None, remedies.create(item, expected))
        return
    for name in COMPARED[item.key.group]:
        wanted, value = item.values[name], found.values[name]
        # A validated constraint is as good as the same one not validated.
        if _normalized(wanted) == _normalized(value) or "NOT VALID" in wanted:
            continue
        remedy = remedies.change(name, item, found, expected)
        yield _difference(item, _problem(name, value), name, wanted, value, remedy)
        if name in SETTLING:
            return


def _normalized(definition: str) -> str:
    """Return the form that PostgreSQL gives a condition once its text is dumped and restored."""
    return CAST_ARRAY.sub(
        lambda match: f"ARRAY[{match[1].replace(VARCHAR, f'{VARCHAR}::text')}]", definition
    )


def _problem(name: str, value: str) -> Problem:
    if name == "validity" or "NOT VALID" in value:
        return "invalid"
    return "disabled" if name == "enabled" and value.startswith("disabled") else "changed"


def _is_implied(item: CatalogObject) -> bool:
    """Return whether this is the index of a constraint or the sequence of an identity column."""
    return bool(item.values.get("of_constraint") or item.values.get("of_identity"))


def _joined(found: list[Difference]) -> Iterator[Difference]:
    """Yield the differences; a retyped column has the remedies of the definitions on it."""
    for change in found:
        following = (other.remedy for other in found if _follows(other, change))
        if not any(_follows(change, other) for other in found):
            yield replace(change, remedy=(*change.remedy, *chain.from_iterable(following)))


def _follows(change: Difference, cause: Difference) -> bool:
    return (
        (change.property, change.table, cause.kind) == ("definition", cause.table, "column")
        and cause.property in RETYPED
        and remedies.mentions(change.expected or "", cause.name)
    )


def _additional(expected: Catalog, actual: Catalog) -> list[CatalogObject]:
    """Return what is on a table of ours and that no migration made."""
    return [
        item
        for key, item in actual.objects.items()
        if key not in expected.objects
        and Key("relation", "", key.table) in expected.objects
        and not _is_implied(item)
    ]


def _extra(item: CatalogObject) -> Difference:
    text = remedies.description(item)
    return _difference(item, "extra", None, None, text, remedies.drop(item))


def _difference(
    item: CatalogObject,
    problem: Problem,
    name: str | None,
    expected: str | None,
    actual: str | None,
    remedy: list[str],
) -> Difference:
    table, own_name = item.key.table or None, item.key.name
    return Difference(item.kind, table, own_name, problem, name, expected, actual, tuple(remedy))
