"""The cache of retention rules: it is refreshed soon and cheaply, and survives MongoDB's faults."""

import asyncio
import os
import signal
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from service.core.errors import Unavailable
from service.documents.predictions.documents import PREDICTIONS
from service.documents.retention import rule_cache
from service.documents.retention.rule_cache import REFRESH_COMMENT, RetentionRuleCache
from service.main import State, create_app
from service.settings import Settings
from service.stores.embedded import MongoEngine
from tests.auth.factories import create_user
from tests.documents.predictions.factories import (
    as_lines,
    make_event,
    post_batch,
    post_event,
    post_stream,
)
from tests.documents.retention.retention_service import (
    DAY,
    NOWHERE,
    RetentionService,
    run_service,
    timestamp_ago,
    uuid7_ago,
    wait_until,
)
from tests.fixtures.client import ADMINISTRATOR, client_as
from tests.fixtures.processes import paused_process
from tests.fixtures.service import on_stores_of, running_service


def _event(**fields: Any) -> dict[str, Any]:
    return make_event(**{"timestamp": timestamp_ago(hours=1), **fields})


async def test_rule_applies_in_a_second_process_within_seconds(
    client: httpx2.AsyncClient, state: State, tmp_path: Path
) -> None:
    with running_service(tmp_path, **on_stores_of(state["settings"])) as other:
        headers = (await create_user(state, "admin")).headers

        predictions = state["mongo"].database[PREDICTIONS]
        expiring = {"model": "elsewhere", "expires_at": {"$exists": True}}

        async with httpx2.AsyncClient(base_url=other.url, headers=headers) as other_client:

            async def is_applied() -> bool:
                event = _event(model="elsewhere")
                assert (await post_event(other_client, event)).status_code == 201
                return await predictions.find_one(expiring) is not None

            assert not await is_applied()
            rule = {"days": 3}
            put = await client.put("/v1/models/elsewhere/retention", json=rule)
            assert put.status_code == 200
            await wait_until(is_applied, 3 * rule_cache.REFRESH_SECONDS)


async def test_intakes_set_expires_at_and_keep_the_hash(service: RetentionService) -> None:
    await service.set_rule("fraud", 30)
    await service.set_rule("fraud/versions/3", 7)
    old, new, free = _event(), _event(version="4"), _event(model="churn")
    assert (await post_event(service.client, old)).status_code == 201
    assert (await post_batch(service.client, [new, free]))["created"] == 2
    for event, days in ((old, 7), (new, 30)):
        stored = await service.stored(event["prediction_id"])
        assert stored is not None
        assert stored["expires_at"] == stored["timestamp"] + days * DAY
    assert "expires_at" not in (await service.stored(free["prediction_id"]) or {})
    await service.set_rule("fraud/versions/3", 8)
    assert (await post_event(service.client, old)).json()["code"] == "duplicate"
    read = (await service.client.get(f"/v1/predictions/{old['prediction_id']}")).json()
    assert "expires_at" not in read


async def test_delete_rule_the_more_general_one_applies_again(
    mongod: MongoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        rule_cache, "REFRESH_SECONDS", 600
    )  # the process that changes a rule refreshes at once
    async with run_service(mongod.url, retention_days=90) as service:
        rules = service.state["retention"]
        await service.set_rule("fraud", 30)
        await service.set_rule("fraud/versions/3", 7)
        assert (await rules.get()).period("fraud", "3") == 7 * DAY
        for where, days in (("fraud/versions/3", 30), ("fraud", 90)):
            await service.client.delete(f"/v1/models/{where}/retention")

            async def is_general(days: int = days) -> bool:
                return (await rules.get()).period("fraud", "3") == days * DAY

            await wait_until(is_general)


async def test_cache_reads_once_per_refresh_and_not_per_event(
    service: RetentionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = service.state["mongo"].database
    await database["system.profile"].drop()
    monkeypatch.setattr(rule_cache, "REFRESH_SECONDS", 0.5)
    await service.set_rule("fraud", 30)  # the next refresh is in half a second
    await database.command("profile", 2)
    for _ in range(20):
        await asyncio.gather(*(post_event(service.client, _event()) for _ in range(5)))
        await post_batch(service.client, [_event() for _ in range(50)])
    reads = {"command.comment": REFRESH_COMMENT}

    async def has_refreshed() -> bool:
        return await database["system.profile"].count_documents(reads) >= 3

    await wait_until(has_refreshed)
    await database.command("profile", 0)
    finds = await database["system.profile"].find(reads).sort("ts").to_list(None)
    assert {find["planSummary"] for find in finds} == {"IXSCAN { model: 1, model_version: 1 }"}
    times = [find["ts"] for find in finds]
    pauses = [(late - early).total_seconds() for early, late in pairwise(times)]
    assert min(pauses) > 0.4


async def test_cache_first_requests_share_a_read_later_ones_never_wait(
    service: RetentionService,
) -> None:
    rules = RetentionRuleCache(service.state["mongo"], None)
    database = service.state["mongo"].database
    await database["system.profile"].drop()
    await database.command("profile", 2)
    results = await asyncio.gather(*(rules.get() for _ in range(50)))
    await database.command("profile", 0)
    reads = {"command.comment": REFRESH_COMMENT}
    assert (
        await database["system.profile"].count_documents(reads) <= 2
    )  # this read and a refresh of the service
    assert all(result is results[0] for result in results)
    coroutine = rules.get()
    with pytest.raises(StopIteration):  # it ends without one await
        coroutine.send(None)


async def test_cache_mongodb_hangs_rules_stay_in_use(
    mongod: MongoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_cache, "REFRESH_SECONDS", 0.1)
    patience = {"mongo_deadline_seconds": 1.8, "mongo_operation_seconds": 1.5}
    async with run_service(mongod.url, **patience) as service:
        await service.set_rule("fraud", 30)
        before, event = await service.state["retention"].get(), _event()
        with paused_process(mongod.pid):
            for _ in range(2):  # 1.8 s each, in which some refreshes fail
                assert (await post_event(service.client, event)).status_code == 503
            assert await service.state["retention"].get() == before
        await _log(service, [event])
        await service.set_rule("fraud", 31)  # and the rules are refreshed again


async def test_intake_mongod_restarts_expiry_is_unchanged(
    service: RetentionService, mongod: MongoEngine
) -> None:
    await service.set_rule("fraud", 30)
    before = mongod.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)  # its supervisor restarts it
    await _log(service, [_event() for _ in range(40)])
    assert mongod.pid != before


async def _log(service: RetentionService, events: list[dict[str, Any]]) -> None:
    """Repeat each event until it is logged, and assert that all expire after 30 days."""

    async def log(event: dict[str, Any]) -> None:
        while (response := await post_event(service.client, event)).status_code == 503:
            await asyncio.sleep(0.05)
        assert response.status_code in (200, 201)

    async with asyncio.timeout(60):
        await asyncio.gather(*map(log, events))
    stored = await service.predictions.find().to_list(None)
    assert len(stored) == len(events)
    assert all(event["expires_at"] == event["timestamp"] + 30 * DAY for event in stored)


async def test_intake_before_any_rule_was_read_is_unavailable(tmp_path: Path) -> None:
    settings = Settings(
        database_url=SecretStr(NOWHERE),
        mongodb_url=SecretStr("mongodb://127.0.0.1:9/polystore"),
        data_dir=tmp_path,
    )
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app) as state,
        client_as(ADMINISTRATOR, app, state) as client,
    ):
        responses = await asyncio.gather(*(post_event(client, _event()) for _ in range(10)))
        assert {response.status_code for response in responses} == {503}
        assert {response.json()["code"] for response in responses} == {"unavailable"}


async def test_intakes_event_too_old_is_an_error(service: RetentionService) -> None:
    await service.set_rule("fraud", 30)
    by_time, by_id = (
        _event(timestamp=timestamp_ago(days=31)),
        _event(prediction_id=str(uuid7_ago(days=31))),
    )
    for event, pointer in ((by_time, "/timestamp"), (by_id, "/prediction_id")):
        good = _event()
        single = await post_event(service.client, event)
        assert single.status_code == 422
        batch = await post_batch(service.client, [event, good])
        assert [result["status"] for result in batch["results"]] == [422, 201]
        (streamed,) = await post_stream(service.client, as_lines([event, good]))
        assert (streamed["rejected"], streamed["created"]) == (1, 0)
        for result in (single.json(), batch["results"][0], streamed["errors"][0]):
            (error,) = result["errors"]
            assert (error["pointer"], error["code"]) == (pointer, "event_expired")
            assert "30 days" in error["detail"]
        assert await service.stored(event["prediction_id"]) is None
        assert (await service.stored(good["prediction_id"]) or {})["expires_at"]


async def test_rules_that_cannot_be_read_fail_alike_for_all_who_wait(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them asks again at once; the others must not take that find for their own."""
    cache = RetentionRuleCache(state["mongo"], None)

    async def find() -> None:
        await asyncio.sleep(0)
        raise Unavailable

    async def ask_twice() -> None:
        with suppress(Unavailable):
            await cache.get()
        await cache.get()

    monkeypatch.setattr(cache, "_find", find)
    waiting = (ask_twice(), cache.get(), ask_twice(), cache.get())
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4
