"""Routes of registered models and their aliases."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.relational.model_registry.factories import make_model, make_version


async def test_model_is_made_read_changed_and_removed(client: httpx2.AsyncClient) -> None:
    tags = {"team": "payments", "b/c": ""}
    made = await make_model(client, description="Scores payments.", tags=tags)
    path = made.pop("path")
    assert path == f"/v1/registered_models/{made['id']}"
    assert (made["tags"], made["aliases"], made["latest_versions"]) == (tags, {}, {})
    answer = await client.get(path)
    assert (answer.json(), answer.headers["etag"]) == (made, '"1"')
    change = {"description": None, "tags": {"team": None, "b/c": "1", "new": "é"}}
    answer = await client.patch(path, json=change, headers={"If-Match": '"1"'})
    changed = answer.json()
    assert (answer.headers["etag"], changed["description"]) == ('"2"', None)
    assert changed["tags"] == {"b/c": "1", "new": "é"}
    stale = await client.patch(path, json={"name": "x"}, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await client.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).json()["code"] == "registered_model_not_found"
    assert (await client.delete(path)).status_code == 404


async def test_model_tags_alone_leave_updated_at(client: httpx2.AsyncClient) -> None:
    made = await make_model(client)
    tagged = (await client.patch(made["path"], json={"tags": {"a": "1"}})).json()
    assert (tagged["version"], tagged["updated_at"]) == (2, made["updated_at"])


async def test_model_name_is_taken_until_it_is_removed(client: httpx2.AsyncClient) -> None:
    made = await make_model(client)
    await make_version(client, made)
    again = await client.post("/v1/registered_models", json={"name": "fraud"})
    assert (again.status_code, again.json()["code"]) == (409, "registered_model_name_taken")
    other = await make_model(client, "Fraud")
    taken = await client.patch(other["path"], json={"name": "fraud"})
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (409, "/name")
    await client.delete(made["path"])
    anew = await make_model(client)
    assert (await make_version(client, anew))["number"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": " \t"}, {"name": "a/b"}, {"name": "a:b"}, {"name": ".."},
        {"name": "a\x00"}, {"name": "x" * 257}, {"name": "x", "version": 3},
        {"name": "x", "tags": {"": "1"}}, {"name": "x", "tags": {"a//b": "1"}},
        {"name": "x", "tags": {"a": None}}, {"name": "x", "tags": {"a": "y" * 100_001}},
        {"name": "x", "tags": {str(n): "" for n in range(101)}},
    ],
)  # fmt: skip
async def test_model_invalid_body_is_refused(
    client: httpx2.AsyncClient, body: dict[str, Any]
) -> None:
    assert (await client.post("/v1/registered_models", json=body)).status_code == 422


async def test_model_of_unknown_project_is_refused(client: httpx2.AsyncClient) -> None:
    body = {"name": "fraud", "project_id": str(uuid4())}
    answer = await client.post("/v1/registered_models", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "project_not_found")


async def test_alias_moves_and_both_versions_change(client: httpx2.AsyncClient) -> None:
    model = await make_model(client)
    for _ in range(2):
        await make_version(client, model)
    alias = f"{model['path']}/aliases/champion"
    first = (await client.put(alias, json={"number": 1})).json()
    assert first["aliases"] == {"champion": 1}
    versions = f"{model['path']}/versions"
    before = (await client.get(f"{versions}/champion")).headers["etag"]
    moved = await client.put(
        alias, json={"number": 2}, headers={"If-Match": f'"{first["version"]}"'}
    )
    assert moved.json()["aliases"] == {"champion": 2}
    one, two = ((await client.get(f"{versions}/{number}")) for number in (1, 2))
    one, two = await one, await two
    assert (one.json()["aliases"], two.json()["aliases"]) == ([], ["champion"])
    assert one.headers["etag"] != before
    assert (await client.put(alias, json={"number": 3})).json()["code"] == "model_version_not_found"
    assert (await client.get(model["path"])).json()["aliases"] == {"champion": 2}
    for _ in range(2):
        assert (await client.delete(alias)).status_code == 204
    assert (await client.get(f"{versions}/champion")).status_code == 404


@pytest.mark.parametrize("alias", ["latest", "LATEST", "v1", "V22", "7", "a.b", "a b", "x" * 256])
async def test_alias_that_reads_otherwise_is_refused(
    client: httpx2.AsyncClient, alias: str
) -> None:
    model = await make_model(client)
    await make_version(client, model)
    answer = await client.put(f"{model['path']}/aliases/{alias}", json={"number": 1})
    assert answer.status_code == 422


async def test_rename_takes_versions_and_aliases_along(client: httpx2.AsyncClient) -> None:
    model = await make_model(client, tags={"team": "a"})
    version = await make_version(client, model, tags={"auc": "0.9"})
    await client.put(f"{model['path']}/aliases/champion", json={"number": 1})
    renamed = (await client.patch(model["path"], json={"name": "abuse"})).json()
    assert (renamed["name"], renamed["aliases"], renamed["tags"]) == (
        "abuse",
        {"champion": 1},
        {"team": "a"},
    )
    answer = await client.get(f"{model['path']}/versions/champion")
    assert (answer.json()["name"], answer.json()["tags"]) == ("abuse", {"auc": "0.9"})
    assert answer.headers["etag"] != f'"{version["version"]}"'


async def test_list_is_sorted_by_name_bytewise(client: httpx2.AsyncClient) -> None:
    for name in ("b", "B", "ä", "a"):
        await make_model(client, name)
    first = (await client.get("/v1/registered_models", params={"limit": 3})).json()
    cursor = {"limit": 3, "cursor": first["page"]["next_cursor"]}
    second = (await client.get("/v1/registered_models", params=cursor)).json()
    names = [item["name"] for item in [*first["items"], *second["items"]]]
    assert names == ["B", "a", "b", "ä"]
    found = (await client.get("/v1/registered_models", params={"name": "b"})).json()["items"]
    assert [item["name"] for item in found] == ["b"]
