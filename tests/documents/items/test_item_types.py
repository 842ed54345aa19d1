"""Item types: what items of a type have to look like."""

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


async def test_a_type_is_put_read_listed_and_removed(client: httpx2.AsyncClient) -> None:
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
    for answer in (
        await client.get("/v1/item_types/shirt"),
        await client.delete("/v1/item_types/shirt"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "item_type_not_found")


async def test_the_version_of_a_type_is_guarded(client: httpx2.AsyncClient) -> None:
    path = "/v1/item_types/shirt"
    body: dict[str, Any] = {"json_schema": {}}
    missing = await client.put(path, json=body, headers={"If-Match": '"1"'})
    assert missing.status_code == 412
    await _put(client, {})
    stale = await client.put(path, json=body, headers={"If-Match": '"2"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    assert (await client.delete(path, headers={"If-Match": '"2"'})).status_code == 412
    assert (await client.put(path, json=body, headers={"If-Match": '"1"'})).status_code == 200


async def test_twenty_puts_at_once_make_one_type(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(_put(client, {"title": str(n)}) for n in range(20)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 21))


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
async def test_attributes_that_do_not_fit_are_refused_with_pointers(
    client: httpx2.AsyncClient, attributes: Any, pointers: set[str]
) -> None:
    await _put(client, SCHEMA)
    answer = await _post(client, attributes)
    assert (answer.status_code, answer.json()["code"]) == (422, "schema_mismatch")
    assert {error["pointer"] for error in answer.json()["errors"]} == pointers
    assert "xxxx" not in answer.text
    assert (await _post(client, {"colour": "red", "sizes": [1]})).status_code == 201


async def test_a_patch_is_checked_by_what_comes_of_it(client: httpx2.AsyncClient) -> None:
    await _put(client, SCHEMA)
    made = await make_item(client, type="shirt", attributes={"colour": "red"})
    path = f"/v1/items/{made['id']}"
    for patch in ({"attributes": {"colour": None}}, {"attributes": {"sizes": [None]}}):
        refused = await client.patch(path, json=patch)
        assert (refused.status_code, refused.json()["code"]) == (422, "schema_mismatch")
    assert (await client.patch(path, json={"attributes": {"sizes": [1]}})).status_code == 200
    other = await make_item(client, attributes={"free": True})
    refused = await client.patch(f"/v1/items/{other['id']}", json={"type": "shirt"})
    assert refused.json()["code"] == "schema_mismatch"


async def test_a_new_schema_holds_for_the_next_change(client: httpx2.AsyncClient) -> None:
    made = await make_item(client, type="shirt", attributes={"colour": 7})
    path = f"/v1/items/{made['id']}"
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
async def test_a_schema_that_cannot_be_used_is_refused(
    client: httpx2.AsyncClient, schema: Any
) -> None:
    answer = await _put(client, schema)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_json_schema")
    assert "passwd" not in answer.text
    assert (await client.get("/v1/item_types/shirt")).status_code == 404


@pytest.mark.parametrize("keyword", ["$ref", "$schema", "$dynamicRef", "$id"])
async def test_nothing_is_fetched_for_a_schema(client: httpx2.AsyncClient, keyword: str) -> None:
    called = asyncio.Event()

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        schema = {keyword: f"http://127.0.0.1:{port}/schema"}
        if keyword == "$id":
            schema["$ref"] = "beside"
        assert (await _put(client, schema)).status_code == 422
        await asyncio.sleep(0)
        assert not called.is_set()


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "^(a+)+$"}}},
        {"properties": {"a": {"pattern": "^(a|a)*$"}}},
    ],
    ids=["plus of plus", "either of the same"],
)
async def test_no_pattern_hangs_us(client: httpx2.AsyncClient, schema: Any) -> None:
    assert (await _put(client, schema)).status_code == 200
    began = time.process_time()
    await _post(client, {"a": "a" * 50_000 + "!", "b": {"b": {}}})
    assert time.process_time() - began < 1
    assert (await client.get("/v1/item_types/shirt")).status_code == 200


async def test_a_type_has_a_plain_name_and_a_schema(client: httpx2.AsyncClient) -> None:
    assert (await _put(client, {}, name="$where")).status_code == 422
    assert (await _put(client, {}, name="x" * 61)).status_code == 422
    assert (await _put(client, [])).json()["errors"][0]["pointer"] == "/json_schema"
