"""Retention rules over HTTP."""

import asyncio
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.main import State
from tests.fixtures.client import client_as

MODEL, VERSION = "/v1/models/unused/retention", "/v1/models/unused/versions/3/retention"


async def _put(client: httpx2.AsyncClient, path: str, days: Any, **headers: str) -> httpx2.Response:
    return await client.put(path, json={"days": days}, headers=headers)


async def test_rule_put_get_list_and_delete(client: httpx2.AsyncClient) -> None:
    model, version = await _put(client, MODEL, 30), await _put(client, VERSION, 7)
    assert (model.status_code, model.headers["etag"]) == (200, '"1"')
    assert (model.json()["model"], model.json()["model_version"]) == ("unused", None)
    assert (version.json()["model_version"], version.json()["days"]) == ("3", 7)
    listed = (await client.get("/v1/retention")).json()["items"]
    assert listed == [model.json(), version.json()]
    for path, put in ((MODEL, model), (VERSION, version)):
        assert (await client.get(path)).json() == put.json()
        cached = await client.get(path, headers={"If-None-Match": '"1"'})
        assert cached.status_code == 304
        assert (await client.delete(path)).status_code == 204
        for response in (await client.get(path), await client.delete(path)):
            problem = (response.status_code, response.json()["code"])
            assert problem == (404, "retention_rule_not_found")
    assert (await client.get("/v1/retention?count=exact")).json()["total"] == 0


async def test_rule_if_match_protects_it_and_no_etag_is_repeated(
    client: httpx2.AsyncClient,
) -> None:
    assert (await _put(client, MODEL, 30, **{"If-Match": '"1"'})).status_code == 412
    await _put(client, MODEL, 30)
    assert (await _put(client, MODEL, 31, **{"If-Match": '"2"'})).status_code == 412
    assert (await client.delete(MODEL, headers={"If-Match": '"2"'})).status_code == 412
    assert (await _put(client, MODEL, 31, **{"If-Match": '"1"'})).json()["version"] == 2
    assert (await client.delete(MODEL, headers={"If-Match": '"2"'})).status_code == 204
    assert (await _put(client, MODEL, 30)).json()["version"] == 4


async def test_rule_20_concurrent_puts_give_20_versions(client: httpx2.AsyncClient) -> None:
    responses = await asyncio.gather(*(_put(client, MODEL, days) for days in range(1, 21)))
    assert sorted(response.json()["version"] for response in responses) == list(range(1, 21))
    assert len((await client.get("/v1/retention")).json()["items"]) == 1


async def test_put_rule_days_outside_1_to_3650_is_an_error(client: httpx2.AsyncClient) -> None:
    for days in (0, -1, 3651, 1.5, "30", True, None, 2**70):
        response = await _put(client, MODEL, days)
        problem = (response.status_code, response.json()["errors"][0]["pointer"])
        assert problem == (422, "/days"), days
    assert (await client.get(MODEL)).status_code == 404


@pytest.mark.parametrize("model", ["$where", "x" * 201, "%0A", "a/%0A"])
async def test_put_rule_name_no_event_can_have_is_an_error(
    client: httpx2.AsyncClient, model: str
) -> None:
    for path in (f"/v1/models/{model}/retention", f"/v1/models/m/versions/{model}/retention"):
        response = await _put(client, path, 1)
        assert response.status_code == 422
        assert response.json()["errors"][0]["pointer"].startswith("/path/")


async def test_put_rule_accepts_unusual_names(client: httpx2.AsyncClient) -> None:
    for name in ("a.b", "retention", "versions", "ÿ 🦉", "a%25b", "*"):
        put = await _put(client, f"/v1/models/{name}/versions/{name}/retention", 1)
        assert put.status_code == 200, name
        page = (await client.get("/v1/retention", params={"model": put.json()["model"]})).json()
        assert [rule["model_version"] for rule in page["items"]] == [put.json()["model"]]


@pytest.mark.parametrize("slash", ["/", "%2F"])
async def test_rule_of_a_name_with_a_slash_has_an_address(
    client: httpx2.AsyncClient, slash: str
) -> None:
    model = f"/v1/models/team{slash}churn/retention"
    version = f"/v1/models/team{slash}churn/versions/2026{slash}11/retention"
    assert (await _put(client, model, 3)).json()["model"] == "team/churn"
    put = (await _put(client, version, 4)).json()
    assert (put["model"], put["model_version"]) == ("team/churn", "2026/11")
    assert [(await client.get(path)).json()["days"] for path in (model, version)] == [3, 4]


async def test_list_rules_pages_hold_each_rule_once(client: httpx2.AsyncClient) -> None:
    expected = {(f"m{number % 4}", str(number)) for number in range(11)}
    for model, version in expected:
        await _put(client, f"/v1/models/{model}/versions/{version}/retention", 1)
    for sort in ("model", "-model"):
        query: dict[str, Any] = {"limit": 3, "sort": sort}
        listed = []
        while True:
            page = (await client.get("/v1/retention", params=query)).json()
            listed += [(rule["model"], rule["model_version"]) for rule in page["items"]]
            query["cursor"] = page["page"]["next_cursor"]
            if not page["page"]["has_more"]:
                break
        assert set(listed) == expected
        assert len(listed) == len(expected)
        models = [model for model, _ in listed]
        assert models == sorted(models, reverse=sort == "-model")


async def test_rules_of_other_models_are_forbidden_to_a_bound_key(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> None:
    await _put(client, "/v1/models/fraud-eu/retention", 3)
    await _put(client, MODEL, 3)
    bound = Caller(scopes=scopes_of("admin"), models=("unused*",))
    async with client_as(bound, app, state) as bound_client:
        assert (await _put(bound_client, MODEL, 4)).status_code == 200
        assert (await bound_client.get("/v1/retention?model=unused")).json()["items"]
        other = "/v1/models/fraud-eu/retention"
        for response in (
            await bound_client.get("/v1/retention"),
            await bound_client.get("/v1/retention?model=fraud-eu"),
            await bound_client.get(other),
            await _put(bound_client, other, 1),
            await bound_client.delete(other),
        ):
            assert (response.status_code, response.json()["code"]) == (403, "model_forbidden")
    assert (await client.get(other)).json()["days"] == 3


@pytest.mark.parametrize("role", ["editor", "service"])
async def test_rules_are_read_only_without_the_admin_scope(
    app: FastAPI, state: State, client: httpx2.AsyncClient, role: str
) -> None:
    await _put(client, MODEL, 3)
    async with client_as(Caller(scopes=scopes_of(role)), app, state) as reader:
        assert (await reader.get(MODEL)).status_code == 200
        for response in (await _put(reader, MODEL, 1), await reader.delete(MODEL)):
            assert (response.status_code, response.json()["code"]) == (403, "missing_scope")
