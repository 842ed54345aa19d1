"""A schema costs no more than it looks."""

import json
from typing import Any

import httpx2
import pytest

from service.documents.items.json_schema import BadJsonSchema, compiled


def doubling(levels: int) -> dict[str, Any]:
    """Each level refers twice to the next: 2ⁿ checks, written in a few lines."""
    twice = {
        f"l{level}": {"anyOf": [{"$ref": f"#/$defs/l{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$defs": {**twice, f"l{levels}": {"required": ["x"]}}, "$ref": "#/$defs/l0"}


def chained(links: int) -> dict[str, Any]:
    """Each definition is the next one."""
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
    ids=["doubling", "a long chain", "itself", "a tree of itself", "nothing", "elsewhere", "large"],
)
async def test_a_schema_without_a_bound_is_refused(
    client: httpx2.AsyncClient, schema: dict[str, Any]
) -> None:
    response = await client.put("/v1/item_types/t", json={"json_schema": schema})
    assert (response.status_code, response.json()["code"]) == (422, "bad_json_schema")


def test_references_to_definitions_are_followed() -> None:
    size = {"$defs": {"size": {"enum": ["S", "M"]}}, "properties": {"a": {"$ref": "#/$defs/size"}}}
    validator = compiled(json.dumps(size))
    assert validator.is_valid({"a": "M"})
    assert not validator.is_valid({"a": "XXL"})
    assert compiled(json.dumps(doubling(6))).is_valid({"x": 1})


def test_what_stands_at_a_reference_is_found_whatever_its_name() -> None:
    odd = {"$defs": {"a/b~c": {"type": "string"}}, "items": {"$ref": "#/$defs/a~1b~0c"}}
    assert not compiled(json.dumps(odd)).is_valid([1])
    with pytest.raises(BadJsonSchema):
        compiled(json.dumps({"$ref": "#/$defs/a"}))


async def test_a_type_that_was_removed_comes_back_with_another_etag(
    client: httpx2.AsyncClient,
) -> None:
    first = await client.put("/v1/item_types/t", json={"json_schema": {"type": "object"}})
    assert (await client.delete("/v1/item_types/t")).status_code == 204
    assert (await client.get("/v1/item_types/t")).status_code == 404
    assert (await client.get("/v1/item_types")).json()["items"] == []
    assert (await client.delete("/v1/item_types/t")).status_code == 404
    again = await client.put("/v1/item_types/t", json={"json_schema": {"minProperties": 1}})
    assert again.headers["etag"] != first.headers["etag"]
    known = {"If-None-Match": first.headers["etag"]}
    assert (await client.get("/v1/item_types/t", headers=known)).status_code == 200
