"""The cost of a JSON Schema is bounded."""

import json
from typing import Any

import pytest

from service.documents.items.json_schema import BadJsonSchema, compile_schema


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


@pytest.mark.parametrize(
    "schema",
    [
        doubling(25),
        chained(1_500),
        {"$ref": "#"},
        {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}},
        {"$ref": "#/$defs/nothing"},
        {"$ref": "other.json"},
        {"enum": list(range(6_000))},
    ],
    ids=["doubling", "long chain", "circular", "circular twice", "no target", "external", "large"],
)
def test_compile_schema_unbounded_is_an_error(schema: dict[str, Any]) -> None:
    with pytest.raises(BadJsonSchema):
        compile_schema(json.dumps(schema))


def test_compile_schema_follows_references() -> None:
    size = {"$defs": {"size": {"enum": ["S", "M"]}}, "properties": {"a": {"$ref": "#/$defs/size"}}}
    validator = compile_schema(json.dumps(size))
    assert validator.is_valid({"a": "M"})
    assert not validator.is_valid({"a": "XXL"})
    assert compile_schema(json.dumps(doubling(6))).is_valid({"x": 1})


def test_compile_schema_unescapes_references() -> None:
    escaped = {"$defs": {"a/b~c": {"type": "string"}}, "items": {"$ref": "#/$defs/a~1b~0c"}}
    assert not compile_schema(json.dumps(escaped)).is_valid([1])
    with pytest.raises(BadJsonSchema):
        compile_schema(json.dumps({"$ref": "#/$defs/a"}))
