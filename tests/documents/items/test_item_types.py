"""Item types, and the validation of items against their JSON Schema."""

import asyncio
import time
from typing import Any

import httpx2
import pytest

from tests.documents.items.factories import make_item

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["colour"],
    "properties": {
        "colour": {"type": "string", "maxLength": 10},
        "sizes": {"type": "array", "items": {"type": "integer"}},
        "a/b": {"const": 1},
    },
    "additionalProperties": False,
}


async def _put(client: httpx2.AsyncClient, schema: Any, name: str = "shirt") -> httpx2.Response:
    return await client.put(f"/v1/item_types/{name}", json={"json_schema": schema})


async def _post(client: httpx2.AsyncClient, attributes: Any) -> httpx2.Response:
    body = {"name": "x", "type": "shirt", "attributes": attributes}
    return await client.post("/v1/items", json=body)


async def test_type_put_get_list_and_delete(client: httpx2.AsyncClient) -> None:
    put = await _put(client, SCHEMA)
    assert (put.status_code, put.headers["etag"]) == (200, '"1"')
    read = await client.get("/v1/item_types/shirt")
    assert read.json() == put.json()
    assert read.json()["json_schema"] == SCHEMA
    assert (await client.get("/v1/item_types")).json()["items"] == [read.json()]
    cached = await client.get("/v1/item_types/shirt", headers={"If-None-Match": '"1"'})
    assert cached.status_code == 304
    assert (await _put(client, {})).json()["version"] == 2
    assert (await client.delete("/v1/item_types/shirt")).status_code == 204
    for response in (
        await client.get("/v1/item_types/shirt"),
        await client.delete("/v1/item_types/shirt"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "item_type_not_found")


async def test_type_if_match_protects_put_and_delete(client: httpx2.AsyncClient) -> None:
    path = "/v1/item_types/shirt"
    body: dict[str, Any] = {"json_schema": {}}
    missing = await client.put(path, json=body, headers={"If-Match": '"1"'})
    assert missing.status_code == 412
    await _put(client, {})
    stale = await client.put(path, json=body, headers={"If-Match": '"2"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 412
    assert (await client.put(path, json=body, headers={"If-Match": '"1"'})).status_code == 200


async def test_type_20_concurrent_puts_give_20_versions(client: httpx2.AsyncClient) -> None:
    responses = await asyncio.gather(*(_put(client, {"title": str(n)}) for n in range(20)))
    assert sorted(response.json()["version"] for response in responses) == list(range(1, 21))


@pytest.mark.parametrize(
    ("attributes", "pointers"),
    [
        ({}, {"/attributes"}),
        ({"colour": 7}, {"/attributes/colour"}),
        (
            {"colour": "x" * 11, "sizes": [1, "2", 3.5]},
            {
                "/attributes/colour",
                "/attributes/sizes/1",
                "/attributes/sizes/2",
            },
        ),
        ({"colour": "x", "a/b": 2}, {"/attributes/a~1b"}),
        ({"colour": "x", "other": 1}, {"/attributes"}),
    ],
)
async def test_create_item_schema_mismatch_is_an_error_with_pointers(
    client: httpx2.AsyncClient, attributes: Any, pointers: set[str]
) -> None:
    await _put(client, SCHEMA)
    response = await _post(client, attributes)
    assert (response.status_code, response.json()["code"]) == (422, "schema_mismatch")
    assert {error["pointer"] for error in response.json()["errors"]} == pointers
    assert "xxxx" not in response.text
    assert (await _post(client, {"colour": "red", "sizes": [1]})).status_code == 201


async def test_update_item_result_is_validated(client: httpx2.AsyncClient) -> None:
    await _put(client, SCHEMA)
    item = await make_item(client, type="shirt", attributes={"colour": "red"})
    path = f"/v1/items/{item['id']}"
    for patch in ({"attributes": {"colour": None}}, {"attributes": {"sizes": [None]}}):
        response = await client.patch(path, json=patch)
        assert (response.status_code, response.json()["code"]) == (422, "schema_mismatch")
    put = {"name": "thing", "type": "shirt"}
    response = await client.put(path, json={**put, "attributes": {"sizes": [1]}})
    assert (response.status_code, response.json()["code"]) == (422, "schema_mismatch")
    assert (await client.get(path)).json() == item
    whole = {**put, "attributes": {"colour": "blue"}}
    assert (await client.put(path, json=whole)).json()["attributes"] == {"colour": "blue"}
    assert (await client.patch(path, json={"attributes": {"sizes": [1]}})).status_code == 200
    other = await make_item(client, attributes={"free": True})
    response = await client.patch(f"/v1/items/{other['id']}", json={"type": "shirt"})
    assert response.json()["code"] == "schema_mismatch"


async def test_put_type_existing_items_are_validated_when_changed(
    client: httpx2.AsyncClient,
) -> None:
    item = await make_item(client, type="shirt", attributes={"colour": 7})
    path = f"/v1/items/{item['id']}"
    await _put(client, SCHEMA)
    assert (await client.patch(path, json={"name": "y"})).status_code == 200
    assert (await client.patch(path, json={"attributes": {"sizes": []}})).status_code == 422
    await client.delete("/v1/item_types/shirt")
    assert (await client.patch(path, json={"attributes": {"sizes": []}})).status_code == 200


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "str"},
        {"minLength": -1},
        {"pattern": "("},
        {"pattern": "(?=a)b"},
        {"pattern": r"(a)\1"},
        {"pattern": "((a{0,100}){0,100}){0,100}"},
        {"$ref": "#/nowhere"},
        {"$ref": "other.json"},
        {"$ref": "file:///etc/passwd"},
        {"$schema": "https://example.com/schema"},
    ],
    ids=str,
)
async def test_put_type_unusable_schema_is_an_error(
    client: httpx2.AsyncClient, schema: Any
) -> None:
    response = await _put(client, schema)
    assert (response.status_code, response.json()["code"]) == (422, "bad_json_schema")
    assert "passwd" not in response.text
    assert (await client.get("/v1/item_types/shirt")).status_code == 404


@pytest.mark.parametrize("keyword", ["$ref", "$schema", "$dynamicRef", "$id"])
async def test_put_type_fetches_nothing(client: httpx2.AsyncClient, keyword: str) -> None:
    called = asyncio.Event()

    async def respond(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        schema = {keyword: f"http://127.0.0.1:{port}/schema"}
        if keyword == "$id":
            schema["$ref"] = "other"
        assert (await _put(client, schema)).status_code == 422
        await asyncio.sleep(0)
        assert not called.is_set()


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "^(a+)+$"}}},
        {"properties": {"a": {"pattern": "^(a|a)*$"}}},
    ],
    ids=["nested plus", "equal alternatives"],
)
async def test_create_item_pattern_takes_linear_time(
    client: httpx2.AsyncClient, schema: Any
) -> None:
    assert (await _put(client, schema)).status_code == 200
    began = time.process_time()
    await _post(client, {"a": "a" * 50_000 + "!", "b": {"b": {}}})
    assert time.process_time() - began < 1
    assert (await client.get("/v1/item_types/shirt")).status_code == 200


async def test_create_item_of_many_alternatives_and_values_is_an_error(
    client: httpx2.AsyncClient,
) -> None:
    """With an error for each value and alternative it took 9.6 GB and the process."""
    alternatives = [
        {"properties": {"values": {"items": {"type": "string", "minLength": number}}}}
        for number in range(700)
    ]
    assert (await _put(client, {"oneOf": alternatives})).status_code == 200
    wrong = await _post(client, {"values": [1] * 1_000})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "schema_mismatch")
    assert [error["detail"] for error in wrong.json()["errors"]] == ["Match /oneOf of the schema."]
    large = await _post(client, {"values": [1] * 12_000})
    assert (large.status_code, large.json()["code"]) == (422, "validation_too_costly")


async def test_put_type_name_and_schema_are_checked(client: httpx2.AsyncClient) -> None:
    assert (await _put(client, {}, name="$where")).status_code == 422
    assert (await _put(client, {}, name="x" * 61)).status_code == 422
    assert (await _put(client, [])).json()["errors"][0]["pointer"] == "/json_schema"


async def test_put_type_again_after_removal_has_a_new_etag(
    client: httpx2.AsyncClient,
) -> None:
    first = await client.put("/v1/item_types/t", json={"json_schema": {"type": "object"}})
    assert (await client.delete("/v1/item_types/t")).status_code == 204
    assert (await client.get("/v1/item_types/t")).status_code == 404
    assert (await client.get("/v1/item_types")).json()["items"] == []
    assert (await client.delete("/v1/item_types/t")).status_code == 404
    again = await client.put("/v1/item_types/t", json={"json_schema": {"minProperties": 1}})
    assert again.headers["etag"] != first.headers["etag"]
    cached = {"If-None-Match": first.headers["etag"]}
    assert (await client.get("/v1/item_types/t", headers=cached)).status_code == 200


async def test_item_type_names_of_any_kind_are_validated(client: httpx2.AsyncClient) -> None:
    properties = {"home.dest": {"type": "string"}, "$n": {"maximum": 2**62}, "": {"minLength": 2}}
    schema = {"properties": properties, "required": ["home.dest"], "additionalProperties": False}
    put = await client.put("/v1/item_types/titanic", json={"json_schema": schema})
    assert put.json()["json_schema"] == schema
    valid = {"home.dest": "Montreal, PQ", "$n": -(2**80), "": "ab"}
    item = await make_item(client, type="titanic", attributes=valid)
    assert item["attributes"] == valid
    path = f"/v1/items/{item['id']}"
    for changed, pointer in (
        ({"home.dest": 1}, "/attributes/home.dest"),
        ({"$n": 2**64}, "/attributes/$n"),
        ({"": "a"}, "/attributes"),  # jsonschema-rs leaves empty names out of its paths
        ({"home.dest": None}, "/attributes"),
        ({"home": {"dest": "x"}}, "/attributes"),
    ):
        response = await client.patch(path, json={"attributes": changed})
        assert (response.status_code, response.json()["code"]) == (422, "schema_mismatch"), changed
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
