"""MongoDB deletes expired documents; the job applies changed rules to stored ones."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from service.documents.predictions import apply_retention
from service.documents.predictions.apply_retention import RetentionJob, RetentionReport
from service.documents.retention.rule_cache import stored_rules
from service.documents.retention.rules import Rules
from service.main import State
from service.stores.embedded import MongoEngine
from service.stores.mongo.client import Document, now
from tests.documents.predictions.factories import JSON, NDJSON, make_event, post_batch, post_event
from tests.documents.retention.retention_service import (
    DAY,
    RetentionService,
    run_service,
    start_ttl_mongod,
    timestamp_ago,
    uuid7_ago,
    wait_until,
)
from tests.fixtures.cli import run_cli

pytestmark = pytest.mark.xdist_group("apply_retention")


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoEngine]:
    with start_ttl_mongod(tmp_path_factory.mktemp("mongodb")) as engine:
        yield engine


@pytest.fixture
async def service(mongod: MongoEngine) -> AsyncIterator[RetentionService]:
    async with run_service(mongod.url) as running:
        yield running


def _event(**fields: Any) -> dict[str, Any]:
    return make_event(**{"timestamp": timestamp_ago(hours=1), **fields})


async def _label(service: RetentionService, prediction_id: object) -> httpx2.Response:
    completed = {"label": 1, "observed_at": timestamp_ago(minutes=1)}
    return await service.client.put(f"/v1/predictions/{prediction_id}/feedback", json=completed)


async def _apply(service: RetentionService, *, dry_run: bool = False) -> RetentionReport:
    mongo = service.state["mongo"]
    return await RetentionJob(mongo, None, lambda _applied, _place: None, dry_run=dry_run).run()


async def _wait_until_deleted(service: RetentionService, prediction_id: str) -> None:
    async def deleted() -> bool:
        labels = await service.feedback.find_one({"_id": UUID(prediction_id)})
        return await service.stored(prediction_id) is None and labels is None

    await wait_until(deleted, 60)


async def test_expired_events_are_deleted_with_their_labels(
    service: RetentionService,
) -> None:
    """The event is logged an hour before it expires; then that hour is taken from its expiry."""
    await service.set_rule("fraud", 1)
    soon = _event(timestamp=(now() - DAY + timedelta(hours=1)).isoformat())
    later, free = _event(), _event(model="churn")
    for event in (soon, later, free):
        assert (await post_event(service.client, event)).status_code == 201
        assert (await _label(service, event["prediction_id"])).status_code == 200
    expiring = {"_id": UUID(soon["prediction_id"])}
    for collection in (service.predictions, service.feedback):
        ((expiry),) = [item["expires_at"] for item in await collection.find(expiring).to_list(None)]
        assert now() < expiry <= now() + timedelta(hours=1)
        passed = {"$set": {"expires_at": expiry - timedelta(hours=1)}}
        await collection.update_one(expiring, passed)
    await _wait_until_deleted(service, soon["prediction_id"])
    for event in (later, free):
        read = await service.client.get(f"/v1/predictions/{event['prediction_id']}")
        assert read.json()["feedback"]["label"] == 1
    again = await post_event(service.client, soon | {"timestamp": timestamp_ago(days=1, seconds=1)})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "event_expired")


async def test_label_of_an_expired_event_returns_410_else_is_kept(mongod: MongoEngine) -> None:
    async with run_service(mongod.url, retention_days=30) as service:
        gone = await _label(service, uuid7_ago(days=31))
        assert (gone.status_code, gone.json()["code"]) == (410, "prediction_expired")
        assert gone.json()["errors"][0]["pointer"] == "/prediction_id"
        label = {
            "prediction_id": str(uuid7_ago(days=31)),
            "label": 1,
            "observed_at": timestamp_ago(days=1),
        }
        batch = await service.client.post("/v1/labels/batch", json={"items": [label]})
        (result,) = batch.json()["results"]
        assert (result["status"], result["code"]) == (410, "rejected")
        assert result["errors"][0]["code"] == "prediction_expired"
        stream = await service.client.post(
            "/v1/labels/stream", content=json.dumps(label), headers=NDJSON
        )
        assert stream.json()["errors"][0]["errors"][0]["code"] == "prediction_expired"
        assert await service.feedback.count_documents({}) == 0
        for prediction_id in (uuid7_ago(days=29), uuid4()):
            early = (await _label(service, prediction_id)).json()
            assert early["pending"]
            stored = await service.feedback.find_one({"_id": prediction_id}) or {}
            assert abs(stored["expires_at"] - now() - 30 * DAY) < timedelta(minutes=1)


async def test_label_repeated_expires_with_its_prediction(mongod: MongoEngine) -> None:
    """A label that arrives first is kept for as long as any prediction could be."""
    async with run_service(mongod.url, retention_days=30) as service:
        await service.set_rule("fraud", 10)
        for route in ("batch", "stream"):
            event = make_event(timestamp=timestamp_ago(days=1))
            label = {
                "prediction_id": event["prediction_id"],
                "label": 1,
                "observed_at": timestamp_ago(days=1),
            }
            body = json.dumps(label if route == "stream" else {"items": [label]})
            headers = NDJSON if route == "stream" else JSON
            stored = []
            for completed in (None, event, None):
                if completed is not None:
                    await post_event(service.client, completed)
                    continue
                response = await service.client.post(
                    f"/v1/labels/{route}", content=body, headers=headers
                )
                assert response.status_code == 200
                where = {"_id": UUID(event["prediction_id"])}
                stored.append((await service.feedback.find_one(where) or {})["expires_at"])
            prediction = await service.stored(event["prediction_id"]) or {}
            assert stored[0] > now() + 29 * DAY
            assert stored[1] == prediction["expires_at"] < now() + 10 * DAY


async def test_label_between_expiry_and_deletion_returns_410(
    client: httpx2.AsyncClient, state: State
) -> None:
    service, event = (
        RetentionService(client, state),
        _event(),
    )  # this mongod deletes once a minute, after the test
    await post_event(client, event)
    expired = {"$set": {"expires_at": now()}}
    await service.predictions.update_one({"_id": UUID(event["prediction_id"])}, expired)
    response = await _label(service, event["prediction_id"])
    assert (response.status_code, response.json()["code"]) == (410, "prediction_expired")
    assert await service.feedback.count_documents({}) == 0


async def _log_spread(service: RetentionService, item: int) -> list[dict[str, Any]]:
    """Log events of four versions, some with tied times, some with labels, before any rule."""
    events = [
        _event(model=model, version=version, timestamp=timestamp_ago(days=number // 4))
        for model in ("churn", "fraud")
        for version in ("1", "2")
        for number in range(item)
    ]
    assert (await post_batch(service.client, events))["created"] == len(events)
    for event in events[::5]:
        await _label(service, event["prediction_id"])
    return events


async def _follows_the_rules(service: RetentionService) -> bool:
    rules = await stored_rules(service.state["mongo"].database, None)
    stored: list[Document] = await service.predictions.find().to_list(None)
    expected = {item["_id"]: rules.expiry(item) for item in stored}
    labels = await service.feedback.find().to_list(None)
    return all(item.get("expires_at") == expected[item["_id"]] for item in (*stored, *labels))


async def test_apply_changed_rules_updates_stored_documents(
    service: RetentionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply_retention, "BATCH_SIZE", 3)
    events = await _log_spread(service, 11)
    await service.set_rule("fraud", 30)
    await service.set_rule("fraud/versions/2", 20)
    assert not await service.predictions.count_documents({"expires_at": {"$exists": True}})
    assert await _apply(service) == RetentionReport(4, 44, 22, 9, 4)
    assert await _follows_the_rules(service)
    assert await _apply(service) == RetentionReport(4, 44, 0, 9, 0)
    await service.client.delete("/v1/models/fraud/retention")
    assert (await _apply(service)).predictions_changed == 11
    assert await _follows_the_rules(service)
    assert await service.predictions.count_documents({}) == len(events)
    await service.set_rule("churn/versions/1", 1)  # a shorter rule, by which the older ones expire
    await _apply(service)

    async def one_day_left() -> bool:
        left = await service.predictions.count_documents({"model": "churn", "version": "1"})
        return left == 4 and not await service.feedback.count_documents(
            {"expires_at": {"$lte": now()}}
        )

    await wait_until(one_day_left, 60)
    assert await _follows_the_rules(service)


async def test_dry_run_reports_changes_and_makes_none(
    service: RetentionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply_retention, "BATCH_SIZE", 3)
    await _log_spread(service, 11)
    await service.set_rule("churn/versions/1", 1)
    before = (
        await service.predictions.find().to_list(None),
        await service.feedback.find().to_list(None),
    )
    planned = await _apply(service, dry_run=True)
    assert planned == RetentionReport(4, 44, 11, 9, 3, predictions_expired=7, labels_expired=2)
    assert before == (
        await service.predictions.find().to_list(None),
        await service.feedback.find().to_list(None),
    )
    applied = await _apply(service)
    assert applied.predictions_changed == planned.predictions_changed
    assert applied.labels_changed == planned.labels_changed


async def test_apply_labels_of_events_deleted_meanwhile_expire_too(
    service: RetentionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _log_spread(service, 11)
    await service.set_rule("churn/versions/1", 1)
    original = RetentionJob._apply_to_labels

    async def later(job: RetentionJob, rules: Rules) -> None:
        await service.predictions.delete_many({"expires_at": {"$lte": now()}})
        await original(job, rules)

    monkeypatch.setattr(RetentionJob, "_apply_to_labels", later)
    await _apply(service)
    remaining = {item["_id"] for item in await service.predictions.find().to_list(None)}
    left = await service.feedback.find({"expires_at": {"$exists": False}}).to_list(None)
    assert {item["_id"] for item in left} <= remaining


@pytest.mark.parametrize("batches", [0, 1, 5, 8, 9])
async def test_apply_after_an_interruption_ends_the_same(
    service: RetentionService, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr(apply_retention, "BATCH_SIZE", 7)
    await _log_spread(service, 11)
    await service.set_rule("fraud", 30)
    batches_done = 0

    def interrupt(_applied: RetentionReport, _place: str) -> None:
        nonlocal batches_done
        batches_done += 1
        if batches_done > batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await RetentionJob(service.state["mongo"], None, interrupt).run()
    assert batches_done == batches + 1
    await asyncio.gather(_apply(service), _apply(service))
    assert await _follows_the_rules(service)


async def test_apply_ends_with_rules_that_change_meanwhile(
    service: RetentionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply_retention, "BATCH_SIZE", 7)
    await _log_spread(service, 11)
    await service.set_rule("fraud", 30)
    original, changed = RetentionJob._apply_to_labels, asyncio.Event()

    async def meanwhile(job: RetentionJob, rules: Rules) -> None:
        if not changed.is_set():
            changed.set()
            await service.set_rule("churn", 40)
        await original(job, rules)

    monkeypatch.setattr(RetentionJob, "_apply_to_labels", meanwhile)
    await _apply(service)
    assert changed.is_set()
    assert await _follows_the_rules(service)


async def test_apply_labels_older_than_their_event_expire_with_it(
    service: RetentionService,
) -> None:
    event, unknown = _event(), uuid4()
    for prediction_id in (event["prediction_id"], unknown):
        assert (await _label(service, prediction_id)).json()["pending"]
    await service.set_rule("fraud", 30)
    await post_event(service.client, event)
    assert (await _apply(service)).labels_changed == 1
    labels = await service.feedback.find_one({"_id": UUID(event["prediction_id"])}) or {}
    stored = await service.stored(event["prediction_id"]) or {}
    assert labels["expires_at"] == stored["expires_at"]
    assert "expires_at" not in (await service.feedback.find_one({"_id": unknown}) or {})


@pytest.mark.parametrize("command", ["plan", "apply"])
async def test_command_prints_its_report(
    service: RetentionService, mongod: MongoEngine, command: str
) -> None:
    await _log_spread(service, 11)
    await service.set_rule("fraud", 30)
    completed = await asyncio.to_thread(
        run_cli, "retention", command, "--json", MONGODB_URL=mongod.url, NO_COLOR="1"
    )
    assert completed.exit_code == 0, completed.stderr
    assert json.loads(completed.stdout) == {
        "versions": 4,
        "predictions": 44,
        "predictions_changed": 22,
        "labels": 9,
        "labels_changed": 4,
        "predictions_expired": 0,
        "labels_expired": 0,
    }
    assert await _follows_the_rules(service) == (command == "apply")


async def test_command_without_mongodb_prints_one_sentence() -> None:
    nowhere = "mongodb://127.0.0.1:9/?connectTimeoutMS=100"
    completed = await asyncio.to_thread(
        run_cli, "retention", "apply", MONGODB_URL=nowhere, DATABASE_URL="postgresql://h/d"
    )
    assert completed.exit_code == 5
    assert "not reachable" in completed.stderr
