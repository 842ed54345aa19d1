"""Attributes: any JSON, which comes back equal or is refused with its place."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from service.documents.items.merge_patch import merge
from service.stores.mongo.json_values import MAX_WHOLE
from tests.documents.items.factories import make_item

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
keys = text | st.sampled_from(["$ref", "$id", "$db", "home.dest", "$inc", "", ".", "a..b", "_id"])
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**66), 2**66)
    | st.integers(-MAX_WHOLE, MAX_WHOLE)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(keys, values, max_size=5)
REFERENCE = {"$ref": "#/$defs/a", "$id": {"$id": [{"$ref": "b", "$id": 2**70}], "$ref": "c"}}


def _typed(value: Any) -> Any:
    """Return a value that equals another only if all types in it are equal too."""
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed(item) for item in value]
    return type(value), repr(value)


def _has_reference_to_null(value: Any) -> bool:
    """Return whether an object in it would come back without its ``"$db": null``."""
    if isinstance(value, list):
        return any(map(_has_reference_to_null, value))
    if not isinstance(value, dict):
        return False
    is_reference = isinstance(value.get("$ref"), str) and {"$id", "$db"} <= value.keys()
    return (is_reference and value["$db"] is None) or _has_reference_to_null(list(value.values()))


def _require(response: httpx2.Response, attributes: dict[str, Any], status: int) -> bool:
    """Check the answer to a write of these attributes; return whether they were stored."""
    if _has_reference_to_null(attributes):
        assert response.status_code == 422, response.text
        assert response.json()["errors"][0]["pointer"].endswith("/$db")
        return False
    assert response.status_code == status, response.text
    assert _typed(response.json()["attributes"]) == _typed(attributes)
    return True


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(attributes=objects, patch=objects)
@example(
    attributes={"_id": 1, "__proto__": {}, "é": "e\u0301", "0": [[]], "a b/c~d": -0.0}, patch={}
)
@example(
    attributes={"big": 2**63 - 1, "small": -(2**63), "tiny": 5e-324, "one": 1.0},
    patch={"big": 2**63, "one": MAX_WHOLE, "small": None},
)
@example(attributes=REFERENCE, patch={"$id": REFERENCE, "home.dest": {"$inc": {"": REFERENCE}}})
@example(attributes={"$id": 1, "$db": None}, patch={"$ref": "a"})
async def test_item_attributes_come_back_equal(
    client: httpx2.AsyncClient, attributes: dict[str, Any], patch: dict[str, Any]
) -> None:
    created = await client.post("/v1/items", json={"name": "x", "attributes": attributes})
    if not _require(created, attributes, 201):
        return
    path = created.headers["location"]
    assert (await client.get(path)).json() == created.json()
    changed = await client.patch(path, json={"attributes": patch})
    merged = merge(attributes, patch)
    if _require(changed, merged, 200):
        listed = await client.get("/v1/items", params={"limit": 1})
        shown = await client.get("/v1/items", params={"limit": 1, "fields": "attributes"})
        for item in (listed.json()["items"][0], shown.json()["items"][0]):
            assert _typed(item["attributes"]) == _typed(merged)


async def test_large_item_attributes_come_back_equal(client: httpx2.AsyncClient) -> None:
    attributes = {f"$n.{n}": {**REFERENCE, "": 2**64 + n} for n in range(200)}
    item = await make_item(client, attributes=attributes)
    assert item["attributes"] == attributes
    listed = await client.get("/v1/items")
    assert listed.json()["items"] == [item]


@pytest.mark.parametrize("digits", [35, 400, 5000])
async def test_item_number_of_more_than_34_digits_is_refused_with_advice(
    client: httpx2.AsyncClient, digits: int
) -> None:
    body = '{"name": "x", "attributes": {"a.b": [1, -%s]}}' % ("9" * digits)
    headers = {"Content-Type": "application/json"}
    response = await client.post("/v1/items", content=body, headers=headers)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["pointer"]) == (422, "/attributes/a.b/1")
    assert (error["code"], "as text" in error["detail"]) == ("integer_out_of_range", True)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_item_number_that_is_not_finite_is_refused_with_its_place(
    client: httpx2.AsyncClient, number: str
) -> None:
    body = json.dumps({"name": "x", "attributes": {"a.b": [float(number)]}})
    headers = {"Content-Type": "application/json"}
    response = await client.post("/v1/items", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_json")
    assert response.json()["errors"][0]["pointer"] == "/attributes/a.b/0"
