"""The cost of a JSON Schema is bounded, and so is that of a validation with it."""

import json
from typing import Any

import jsonschema_rs
import pytest

from service.documents.items.json_schema import (
    BadJsonSchema,
    CompiledSchema,
    ValidationTooCostly,
    Violation,
)

NUMBERS = list(range(3_000))


def compiled(schema: dict[str, Any]) -> CompiledSchema:
    return CompiledSchema(json.dumps(schema))


def doubling(levels: int) -> dict[str, Any]:
    """Return a schema in which each level refers twice to the next: 2ⁿ checks in a few lines."""
    levels_by_name = {
        f"l{level}": {"anyOf": [{"$ref": f"#/$defs/l{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$defs": {**levels_by_name, f"l{levels}": {"required": ["x"]}}, "$ref": "#/$defs/l0"}


def chained(links: int) -> dict[str, Any]:
    """Return a schema in which each definition refers to the next one."""
    chain = {f"l{link}": {"$ref": f"#/$defs/l{link + 1}"} for link in range(links)}
    return {"$defs": {**chain, f"l{links}": True}, "$ref": "#/$defs/l0"}


def unevaluated(levels: int) -> dict[str, Any]:
    """Return a schema in which each level checks again what those below have evaluated."""
    schema: dict[str, Any] = {"properties": {"x": {}}}
    for _ in range(levels):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    return schema


def union(alternatives: int) -> dict[str, Any]:
    """Return a discriminated union, as OpenAPI has them."""
    kinds = {
        f"K{number}": {
            "type": "object",
            "required": ["kind", "name"],
            "properties": {
                "kind": {"const": f"K{number}"},
                "name": {"type": "string", "minLength": 1, "maxLength": 200},
                "code": {"type": "string", "pattern": "^[A-Z]{2,3}-[0-9]{1,8}$"},
                "sizes": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            },
            "additionalProperties": False,
        }
        for number in range(alternatives)
    }
    return {"$defs": kinds, "oneOf": [{"$ref": f"#/$defs/{name}"} for name in kinds]}


def strings_of_700_lengths() -> dict[str, Any]:
    """Return alternatives that each have an error for each of the values."""
    return {
        "oneOf": [
            {"properties": {"values": {"items": {"type": "string", "minLength": number}}}}
            for number in range(700)
        ]
    }


@pytest.mark.parametrize(
    "schema",
    [
        doubling(25),
        chained(1_500),
        unevaluated(8),
        {"$ref": "#"},
        {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "other.json"},
        {"enum": list(range(6_000))},
        {"$defs": {"%61": True, "a": {"$ref": "#/$defs/%61"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": True}, "items": {"$id": "b", "$defs": {"a": doubling(25)}}},
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "items": {"id": "b", "type": "string"},
        },
        {"allOf": [{"pattern": rf"^\p{{L}}{{1,{number}}}$"} for number in range(50, 100)]},
    ],
    ids=[
        "doubling",
        "long chain",
        "unevaluated",
        "circular",
        "circular twice",
        "no target",
        "external",
        "large",
        "circular and escaped",
        "references of another schema",
        "references of another schema in draft 4",
        "patterns of 400 MB",
    ],
)
def test_compile_schema_unbounded_is_an_error(schema: dict[str, Any]) -> None:
    with pytest.raises(BadJsonSchema):
        compiled(schema).compile()


def test_compile_schema_follows_references() -> None:
    size = {"$defs": {"size": {"enum": ["S", "M"]}}, "properties": {"a": {"$ref": "#/$defs/size"}}}
    schema = compiled(size)
    assert schema.violations({"a": "M"}) == []
    assert schema.violations({"a": "XXL"}) != []
    assert compiled(doubling(6)).violations({"x": 1}) == []
    assert compiled(unevaluated(4)).violations({"x": 1}) == []


def test_compile_schema_unescapes_references() -> None:
    escaped = {"$defs": {"a/b~c": {"type": "string"}}, "items": {"$ref": "#/$defs/a~1b~0c"}}
    assert compiled(escaped).violations([1]) != []
    percent = {"$defs": {"a%25b": True, "a%b": {"maximum": 0}}, "items": {"$ref": "#/$defs/a%25b"}}
    assert compiled(percent).violations([1]) != []
    with pytest.raises(BadJsonSchema):
        compiled({"$ref": "#/$defs/a"}).compile()


@pytest.mark.parametrize("alternatives", [20, 50])
def test_violations_union_of_many_alternatives_is_validated(alternatives: int) -> None:
    schema = compiled(union(alternatives))
    item = {"kind": "K7", "name": "a", "code": "AB-12", "sizes": NUMBERS}
    assert schema.violations(item) == []
    assert schema.violations(item | {"sizes": [-1]}) == [Violation((), ("oneOf",))]
    assert schema.violations(item | {"sizes": [*NUMBERS, -1]}) != []


def test_violations_alternatives_times_values_take_no_memory() -> None:
    """With an error for each alternative and value it took 9.6 GB."""
    value = {"values": NUMBERS[:1_500]}
    schema = compiled(strings_of_700_lengths())
    memory = _peak_kilobytes()
    assert schema.violations(value) == [Violation((), ("oneOf",))]
    assert _peak_kilobytes() - memory < 50_000


def _peak_kilobytes() -> int:
    with open("/proc/self/status") as status:  # noqa: PTH123 - not a file of ours
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize(
    ("schema", "value", "violation"),
    [
        (
            {"properties": {"a": {"items": {"properties": {"b": {"type": "integer"}}}}}},
            {"a": [*({"b": n} for n in NUMBERS), {"b": "x"}]},
            Violation(("a", 3_000, "b"), ("properties", "a", "items", "properties", "b", "type")),
        ),
        (
            {
                "$defs": {"é /~": {"anyOf": [{"required": ["b"]}, {"required": ["c"]}]}},
                "properties": {"a": {"items": {"$ref": "#/$defs/%C3%A9%20~1~0"}}},
            },
            {"a": [*({"c": n} for n in NUMBERS), {}]},
            Violation(("a", 3_000), ("$defs", "é /~", "anyOf")),
        ),
        (
            {"prefixItems": [{"minimum": 5}], "items": {"maximum": 4}, "maxItems": 9},
            [5, *NUMBERS],
            Violation((), ()),
        ),
    ],
    ids=["items", "reference", "whole"],
)
def test_violations_of_many_values_name_the_smallest_part(
    schema: dict[str, Any], value: Any, violation: Violation
) -> None:
    padded = {**schema, "examples": [None] * 10}
    assert compiled(padded).violations(value) == [violation]


@pytest.mark.parametrize("draft", ["draft-04", "draft-06", "draft-07", "2019-09", "2020-12"])
def test_violations_of_many_values_are_as_the_library_has_them(draft: str) -> None:
    number = "schema#" if draft.startswith("draft") else "schema"
    host = "http://json-schema.org" if draft.startswith("draft") else "https://json-schema.org"
    schema = {
        "$schema": f"{host}/{'' if draft.startswith('draft') else 'draft/'}{draft}/{number}",
        "definitions": {"number": {"type": "integer"}},
        "properties": {
            "a": {"$ref": "#/definitions/number", "minimum": 5},
            "b": {"const": 1},
            "c": {"items": [{"type": "string"}], "additionalItems": False},
            "d": {"contains": {"const": 3}},
            "e": {"if": {"minimum": 3}, "then": {"maximum": 4}},
        },
    }
    if draft == "2020-12":
        del schema["properties"]["c"]["items"]  # type: ignore[index]
    ours, theirs = compiled(schema), jsonschema_rs.validator_for(schema)
    values: list[Any] = [
        {"a": 1}, {"a": "x"}, {"b": 1}, {"b": 2}, {"c": ["x"]}, {"c": [1, 2]},
        {"d": [3]}, {"d": [4]}, {"e": 1}, {"e": 5},
    ]  # fmt: skip
    for value in values:
        padding = {"z": NUMBERS}
        assert (ours.violations(value | padding) == []) == theirs.is_valid(value), value


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"allOf": [{"not": {"contains": {"const": n}}} for n in range(1_200)]}, NUMBERS),
        ({"pattern": "([ab]{1,20}a){30}[cd]"}, "a" * 1_000_001),
        ({"patternProperties": {f"{n}$": {} for n in range(50)}}, {"a" * 20_001: 1}),
    ],
    ids=["values", "pattern", "names"],
)
def test_violations_too_costly_is_an_error(schema: dict[str, Any], value: Any) -> None:
    with pytest.raises(ValidationTooCostly):
        compiled(schema).is_small_for(value)
