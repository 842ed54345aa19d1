"""The rules over HTTP."""

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


async def test_a_rule_is_put_read_listed_and_removed(client: httpx2.AsyncClient) -> None:
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
        for answer in (await client.get(path), await client.delete(path)):
            assert (answer.status_code, answer.json()["code"]) == (404, "retention_rule_not_found")
    assert (await client.get("/v1/retention?count=exact")).json()["total"] == 0


async def test_the_version_of_a_rule_is_guarded_and_never_comes_back(
    client: httpx2.AsyncClient,
) -> None:
    assert (await _put(client, MODEL, 30, **{"If-Match": '"1"'})).status_code == 412
    await _put(client, MODEL, 30)
    assert (await _put(client, MODEL, 31, **{"If-Match": '"2"'})).status_code == 412
    assert (await client.delete(MODEL, headers={"If-Match": '"2"'})).status_code == 412
    assert (await _put(client, MODEL, 31, **{"If-Match": '"1"'})).json()["version"] == 2
    assert (await client.delete(MODEL, headers={"If-Match": '"2"'})).status_code == 204
    assert (await _put(client, MODEL, 30)).json()["version"] == 4


async def test_twenty_puts_at_once_make_one_rule(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(_put(client, MODEL, days) for days in range(1, 21)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(1, 21))
    assert len((await client.get("/v1/retention")).json()["items"]) == 1


@pytest.mark.parametrize("days", [0, -1, 3651, 1.5, "30", True, None, 2**70])
async def test_days_are_a_number_from_1_to_3650(client: httpx2.AsyncClient, days: Any) -> None:
    answer = await _put(client, MODEL, days)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/days")
    assert (await client.get(MODEL)).status_code == 404


@pytest.mark.parametrize("model", ["$where", "x" * 201, "%0A"])
async def test_a_name_that_no_event_may_have_is_refused(
    client: httpx2.AsyncClient, model: str
) -> None:
    for path in (f"/v1/models/{model}/retention", f"/v1/models/m/versions/{model}/retention"):
        answer = await _put(client, path, 1)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"].startswith("/path/")


async def test_odd_names_are_names(client: httpx2.AsyncClient) -> None:
    for name in ("a.b", "retention", "versions", "ÿ 🦉", "a%25b", "*"):
        made = await _put(client, f"/v1/models/{name}/versions/{name}/retention", 1)
        assert made.status_code == 200, name
        found = (await client.get("/v1/retention", params={"model": made.json()["model"]})).json()
        assert [each["model_version"] for each in found["items"]] == [made.json()["model"]]


async def test_all_pages_together_are_everything_once(client: httpx2.AsyncClient) -> None:
    wanted = {(f"m{number % 4}", str(number)) for number in range(11)}
    for model, version in wanted:
        await _put(client, f"/v1/models/{model}/versions/{version}/retention", 1)
    for sort in ("model", "-model"):
        query: dict[str, Any] = {"limit": 3, "sort": sort}
        found = []
        while True:
            page = (await client.get("/v1/retention", params=query)).json()
            found += [(each["model"], each["model_version"]) for each in page["items"]]
            query["cursor"] = page["page"]["next_cursor"]
            if not page["page"]["has_more"]:
                break
        assert set(found) == wanted
        assert len(found) == len(wanted)
        models = [model for model, _ in found]
        assert models == sorted(models, reverse=sort == "-model")


async def test_a_key_that_is_bound_to_models_sets_rules_for_those_alone(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> None:
    await _put(client, "/v1/models/fraud-eu/retention", 3)
    await _put(client, MODEL, 3)
    bound = Caller(scopes=scopes_of("admin"), models=("unused*",))
    async with client_as(bound, app, state) as speaking:
        assert (await _put(speaking, MODEL, 4)).status_code == 200
        assert (await speaking.get("/v1/retention?model=unused")).json()["items"]
        other = "/v1/models/fraud-eu/retention"
        for answer in (
            await speaking.get("/v1/retention"),
            await speaking.get("/v1/retention?model=fraud-eu"),
            await speaking.get(other),
            await _put(speaking, other, 1),
            await speaking.delete(other),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "model_forbidden")
    assert (await client.get(other)).json()["days"] == 3


@pytest.mark.parametrize("role", ["editor", "service"])
async def test_who_is_no_administrator_sees_the_rules_and_changes_none(
    app: FastAPI, state: State, client: httpx2.AsyncClient, role: str
) -> None:
    await _put(client, MODEL, 3)
    async with client_as(Caller(scopes=scopes_of(role)), app, state) as speaking:
        assert (await speaking.get(MODEL)).status_code == 200
        for answer in (await _put(speaking, MODEL, 1), await speaking.delete(MODEL)):
            assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
