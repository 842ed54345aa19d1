"""GET /v1/models: what the registry has and what the log has seen, joined by name."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from service.auth.caller import Caller
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.reading import traffic as logged_traffic
from service.main import State, create_app
from service.overview import served_models
from service.settings import Settings
from service.stores.mongo.client import MongoStore
from tests.documents.predictions.factories import make_event, make_events, post_batch
from tests.fixtures.client import ADMINISTRATOR, client_as

NOWHERE = {"mongodb_url": "mongodb://127.0.0.1:9", "database_url": "postgresql://u:p@127.0.0.1:9/d"}


async def register(client: httpx2.AsyncClient, name: str, versions: int = 0) -> str:
    """Register a model with some versions; return its address."""
    made = await client.post("/v1/registered_models", json={"name": name})
    assert made.status_code == 201, made.text
    path = f"/v1/registered_models/{made.json()['id']}"
    for number in range(versions):
        body = {"source": f"s3://bucket/{name}/{number}"}
        assert (await client.post(f"{path}/versions", json=body)).status_code == 201
    return path


async def log(client: httpx2.AsyncClient, model: str, version: str, *days: int) -> None:
    """Log an event of each day of January."""
    events = [
        make_event(model=model, version=version, timestamp=f"2026-01-{day:02}T00:00:00Z")
        for day in days
    ]
    assert (await post_batch(client, events))["created"] == len(days)


async def names(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    page = (await client.get("/v1/models", params=query)).json()
    return [item["name"] for item in page["items"]]


async def test_models_events_of_number_and_alias_belong_to_the_version(
    client: httpx2.AsyncClient,
) -> None:
    path = await register(client, "fraud", 2)
    assert (await client.put(f"{path}/aliases/champion", json={"number": 2})).status_code == 200
    await log(client, "fraud", "2", 3, 1)
    await log(client, "fraud", "champion", 5)
    await log(client, "fraud", "nightly", 7)
    model = (await client.get("/v1/models/fraud")).json()
    assert model["parts"] == {"registry": "complete", "traffic": "complete"}
    assert path.endswith(model["registered_model_id"])
    assert (model["first_seen"], model["last_seen"]) == (
        "2026-01-01T00:00:00.000Z",
        "2026-01-07T00:00:00.000Z",
    )
    second, first, nightly = model["versions"]
    assert [(one["version"], one["count"]) for one in second["traffic"]] == [
        ("2", 2),
        ("champion", 1),
    ]
    assert (second["number"], second["aliases"], second["stage"]) == (2, ["champion"], "None")
    assert (first["number"], first["traffic"]) == (1, [])
    assert (nightly["version"], nightly["number"]) == ("nightly", None)
    listed = (await client.get("/v1/models")).json()
    del model["parts"]
    assert listed["items"] == [model]


async def test_models_pages_join_both_stores_in_order(client: httpx2.AsyncClient) -> None:
    for name in ("Zeta", "b", "é"):
        await register(client, name)
    for name in ("a", "b", "team/churn", "z\U0001f600"):
        await log(client, name, "1", 1)
    every = sorted({"Zeta", "b", "é", "a", "team/churn", "z\U0001f600"})
    found, query = list[str](), {"limit": 2}
    while True:
        page = (await client.get("/v1/models", params=query)).json()
        found += [item["name"] for item in page["items"]]
        if not page["page"]["has_more"]:
            break
        query["cursor"] = page["page"]["next_cursor"]
    assert found == every
    one = await client.get("/v1/models/team%2Fchurn")
    assert (one.status_code, one.json()["name"]) == (200, "team/churn")


async def test_models_unknown_name_is_404(client: httpx2.AsyncClient) -> None:
    response = await client.get("/v1/models/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "model_not_found")


async def test_models_many_events_are_counted_up_to_a_bound(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post_batch(client, make_events(12, model="fraud", version="1"))
    monkeypatch.setattr(served_models, "MOST_IN_LISTS", 10)
    for bound, exact in ((12, True), (11, False)):
        monkeypatch.setattr(served_models, "MOST_COUNTED", bound)
        (version,) = (await client.get("/v1/models/fraud")).json()["versions"]
        (traffic,) = version["traffic"]
        assert (traffic["count"], traffic["count_is_exact"]) == (bound, exact)
    (model,) = (await client.get("/v1/models")).json()["items"]
    assert model["versions"][0]["traffic"][0]["count"] == 10


async def test_models_slow_log_ends_the_page_and_the_next_goes_on(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "d"):
        await log(client, name, "1", 1)
    await register(client, "c")
    monkeypatch.setattr(served_models, "LIST_SECONDS", -1.0)
    found, query = list[list[str]](), dict[str, str]()
    while query.get("cursor", "") is not None:
        page = (await client.get("/v1/models", params=query)).json()
        found.append([item["name"] for item in page["items"]])
        query = {"cursor": page["page"]["next_cursor"]}
    assert found == [["a"], ["b"], ["c"], ["d"]]


async def test_models_no_call_reads_more_than_a_few_versions(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        make_event(model=f"m{number}", version=str(one)) for number in range(9) for one in range(5)
    ]
    await post_batch(client, events)
    call, calls = MongoStore.call, list[object]()

    async def counted(store: MongoStore, work: Any, **options: Any) -> Any:
        calls.append(work)
        return await call(store, work, **options)

    monkeypatch.setattr(MongoStore, "call", counted)
    monkeypatch.setattr(logged_traffic, "CALL_VERSIONS", 2)
    monkeypatch.setattr(served_models, "LIST_SECONDS", 60.0)
    page = (await client.get("/v1/models")).json()
    assert len(page["items"]) == 9
    assert all(len(model["versions"]) == 5 for model in page["items"])
    assert len(calls) == 1 + 9 * (1 + 3)


async def test_models_registered_versions_come_before_many_others(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client, "fraud", 2)
    await log(client, "fraud", "2", 9)
    for number in range(4):
        await log(client, "fraud", f"1-{number}", 5 + number)
    await log(client, "fraud", "zz", 1)
    monkeypatch.setattr(logged_traffic, "MAX_VERSIONS", 3)
    for names in (10_000, 2):
        monkeypatch.setattr(logged_traffic, "MAX_NAMES", names)
        model = (await client.get("/v1/models/fraud")).json()
        assert [one["count"] for one in model["versions"][0]["traffic"]] == [1]
        assert (model["first_seen"][:10], model["last_seen"][:10]) == ("2026-01-01", "2026-01-09")
        assert len(model["versions"]) == 2 + min(3, names)
        assert model["logged_versions_left_off"] == (2 if names > 2 else 0)


async def test_models_alias_of_digits_takes_no_events(client: httpx2.AsyncClient) -> None:
    await register(client, "fraud", 2)
    body = {"name": "fraud", "alias": "1", "version": "2"}
    address = "/api/2.0/mlflow/registered-models/alias"
    assert (await client.post(address, json=body)).status_code == 200
    await log(client, "fraud", "1", 1)
    second, first = (await client.get("/v1/models/fraud")).json()["versions"]
    assert (second["traffic"], len(first["traffic"])) == ([], 1)


async def test_models_traffic_reads_one_key_of_each_name(
    client: httpx2.AsyncClient, state: State
) -> None:
    for model in ("a", "b"):
        await post_batch(client, make_events(200, model=model, version="1"))
    for match, field in (({"model": {"$gt": ""}}, "model"), ({"model": {"$eq": "a"}}, "version")):
        pipeline = [{"$match": match}, {"$group": {"_id": f"${field}"}}]
        explained = await state["mongo"].database.command(
            "explain",
            {"aggregate": PREDICTIONS, "pipeline": pipeline, "cursor": {}},
            verbosity="executionStats",
        )
        text = str(explained)
        assert "DISTINCT_SCAN" in text
        stats = (
            explained.get("executionStats") or explained["stages"][0]["$cursor"]["executionStats"]
        )
        assert stats["totalKeysExamined"] <= 4


@pytest.mark.parametrize(
    ("scopes", "bound", "listed", "traffic"),
    [
        ({"models:read"}, None, ["registered"], "not_permitted"),
        ({"models:read", "predictions:read"}, None, ["fraud-eu", "registered", "x"], "complete"),
        ({"models:read", "predictions:read"}, ("fraud-*",), ["fraud-eu", "registered"], "complete"),
    ],
)
async def test_models_show_what_the_caller_may_read(
    client: httpx2.AsyncClient,
    app: FastAPI,
    state: State,
    scopes: set[str],
    bound: tuple[str, ...] | None,
    listed: list[str],
    traffic: str,
) -> None:
    await register(client, "registered")
    await log(client, "fraud-eu", "1", 1)
    await log(client, "x", "1", 1)
    caller = Caller(scopes=frozenset(scopes), models=bound)
    async with client_as(caller, app, state) as reader:
        assert await names(reader) == listed
        assert (await reader.get("/v1/models")).json()["parts"]["traffic"] == traffic
        assert (await reader.get("/v1/models/x")).status_code == (200 if "x" in listed else 404)


@pytest.mark.parametrize(("down", "found"), [("mongodb", ["fraud"]), ("database", ["seen"])])
async def test_models_one_store_down_shows_the_other(
    client: httpx2.AsyncClient, settings: Settings, down: str, found: list[str]
) -> None:
    await register(client, "fraud")
    await log(client, "seen", "1", 1)
    url = f"{down}_url"
    app = create_app(settings.model_copy(update={url: SecretStr(NOWHERE[url])}))
    async with (
        app.router.lifespan_context(app) as state,
        client_as(ADMINISTRATOR, app, state) as reader,
    ):
        page = (await reader.get("/v1/models")).json()
        assert [item["name"] for item in page["items"]] == found
        states = {"registry": "complete", "traffic": "complete"}
        states["traffic" if down == "mongodb" else "registry"] = "unavailable"
        assert page["parts"] == states
        assert (await reader.get(f"/v1/models/{found[0]}")).json()["parts"] == states
        missing = await reader.get("/v1/models/other")
        assert missing.status_code == 503


@pytest.mark.parametrize("order", [1, -1])
async def test_models_first_events_read_no_more_keys_than_the_bound(
    order: int, client: httpx2.AsyncClient, state: State
) -> None:
    for model in ("a", "b"):
        await post_batch(client, make_events(200, model=model, version="1"))
    where = {"model": {"$eq": "a"}, "version": {"$eq": "1"}}
    pipeline = logged_traffic._first(where, ("model", "version", "timestamp"), order, 10)
    explained = await state["mongo"].database.command(
        "explain",
        {"aggregate": PREDICTIONS, "pipeline": pipeline, "cursor": {}},
        verbosity="executionStats",
    )
    stats = explained.get("executionStats") or explained["stages"][0]["$cursor"]["executionStats"]
    assert stats["totalKeysExamined"] <= 11
