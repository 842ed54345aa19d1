"""What has expired goes, by MongoDB's own hand; changed rules hold for what is there."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from service.documents.predictions import apply_retention as expire
from service.documents.predictions.apply_retention import Applied, Expire
from service.documents.retention.rule_cache import stored_rules
from service.documents.retention.rules import Rules
from service.main import State
from service.stores.embedded import MongoEngine
from service.stores.mongo.client import Document, now
from tests.documents.predictions.factories import JSON, NDJSON, make_event, post_batch, post_event
from tests.documents.retention.retention_service import (
    DAY,
    Keeping,
    ago,
    keeping,
    made_ago,
    mongod_that_deletes,
    until,
)
from tests.fixtures.cli import run_cli

pytestmark = pytest.mark.xdist_group("apply_retention")


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoEngine]:
    with mongod_that_deletes(tmp_path_factory.mktemp("mongodb")) as engine:
        yield engine


@pytest.fixture
async def service(mongod: MongoEngine, tmp_path: Path) -> AsyncIterator[Keeping]:
    async with keeping(mongod.url, tmp_path) as running:
        yield running


def _event(**fields: Any) -> dict[str, Any]:
    return make_event(**{"timestamp": ago(hours=1), **fields})


async def _label(service: Keeping, prediction_id: object) -> httpx2.Response:
    told = {"label": 1, "observed_at": ago(minutes=1)}
    return await service.client.put(f"/v1/predictions/{prediction_id}/feedback", json=told)


async def _apply(service: Keeping, *, changes: bool = True) -> Applied:
    mongo = service.state["mongo"]
    return await Expire(mongo, None, lambda _applied, _place: None, changes=changes).run()


async def _gone(service: Keeping, prediction_id: str) -> None:
    async def nothing_left() -> bool:
        labels = await service.feedback.find_one({"_id": UUID(prediction_id)})
        return await service.one(prediction_id) is None and labels is None

    await until(nothing_left, 60)


async def test_what_expires_is_deleted_with_its_labels_and_what_does_not_stays(
    service: Keeping,
) -> None:
    await service.keep("fraud", 1)
    soon = _event(timestamp=(now() - DAY + timedelta(seconds=10)).isoformat())
    later, free = _event(), _event(model="churn")
    for event in (soon, later, free):
        assert (await post_event(service.client, event)).status_code == 201
        assert (await _label(service, event["prediction_id"])).status_code == 200
    await _gone(service, soon["prediction_id"])
    for event in (later, free):
        read = await service.client.get(f"/v1/predictions/{event['prediction_id']}")
        assert read.json()["feedback"]["label"] == 1
    again = await post_event(service.client, soon)
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "event_expired")


async def test_a_label_of_what_has_expired_is_gone_and_of_what_is_to_come_is_kept(
    mongod: MongoEngine, tmp_path: Path
) -> None:
    async with keeping(mongod.url, tmp_path, retention_days=30) as service:
        gone = await _label(service, made_ago(days=31))
        assert (gone.status_code, gone.json()["code"]) == (410, "prediction_expired")
        assert gone.json()["errors"][0]["pointer"] == "/prediction_id"
        label = {"prediction_id": str(made_ago(days=31)), "label": 1, "observed_at": ago(days=1)}
        batch = await service.client.post("/v1/labels/batch", json={"items": [label]})
        (result,) = batch.json()["results"]
        assert (result["status"], result["code"]) == (410, "rejected")
        assert result["errors"][0]["code"] == "prediction_expired"
        stream = await service.client.post(
            "/v1/labels/stream", content=json.dumps(label), headers=NDJSON
        )
        assert stream.json()["errors"][0]["errors"][0]["code"] == "prediction_expired"
        assert await service.feedback.count_documents({}) == 0
        for prediction_id in (made_ago(days=29), uuid4()):
            early = (await _label(service, prediction_id)).json()
            assert early["pending"]
            stored = await service.feedback.find_one({"_id": prediction_id}) or {}
            assert abs(stored["expires_at"] - now() - 30 * DAY) < timedelta(minutes=1)


async def test_a_label_told_again_goes_with_its_prediction_however_it_is_told(
    mongod: MongoEngine, tmp_path: Path
) -> None:
    """It was there first, and so kept for as long as any prediction could be."""
    async with keeping(mongod.url, tmp_path, retention_days=30) as service:
        await service.keep("fraud", 10)
        for way in ("batch", "stream"):
            event = make_event(timestamp=ago(days=1))
            label = {
                "prediction_id": event["prediction_id"],
                "label": 1,
                "observed_at": ago(days=1),
            }
            body = json.dumps(label if way == "stream" else {"items": [label]})
            headers = NDJSON if way == "stream" else JSON
            stored = []
            for told in (None, event, None):
                if told is not None:
                    await post_event(service.client, told)
                    continue
                answer = await service.client.post(
                    f"/v1/labels/{way}", content=body, headers=headers
                )
                assert answer.status_code == 200
                where = {"_id": UUID(event["prediction_id"])}
                stored.append((await service.feedback.find_one(where) or {})["expires_at"])
            prediction = await service.one(event["prediction_id"]) or {}
            assert stored[0] > now() + 29 * DAY
            assert stored[1] == prediction["expires_at"] < now() + 10 * DAY


async def test_a_label_between_expiry_and_deletion_is_not_lost_silently(
    client: httpx2.AsyncClient, state: State
) -> None:
    here, event = Keeping(client, state), _event()  # this mongod deletes once a minute
    await post_event(client, event)
    expired = {"$set": {"expires_at": now()}}
    await here.predictions.update_one({"_id": UUID(event["prediction_id"])}, expired)
    answer = await _label(here, event["prediction_id"])
    assert (answer.status_code, answer.json()["code"]) == (410, "prediction_expired")
    assert await here.feedback.count_documents({}) == 0


async def _spread(service: Keeping, each: int) -> list[dict[str, Any]]:
    """Events of four versions, some at the same moment, some with labels, logged before a rule."""
    events = [
        _event(model=model, version=version, timestamp=ago(days=number // 4))
        for model in ("churn", "fraud")
        for version in ("1", "2")
        for number in range(each)
    ]
    assert (await post_batch(service.client, events))["created"] == len(events)
    for event in events[::5]:
        await _label(service, event["prediction_id"])
    return events


async def _as_the_rules_say(service: Keeping) -> bool:
    rules = await stored_rules(service.state["mongo"].database, None)
    stored: list[Document] = await service.predictions.find().to_list(None)
    wanted = {each["_id"]: rules.expiry(each) for each in stored}
    labels = await service.feedback.find().to_list(None)
    return all(each.get("expires_at") == wanted[each["_id"]] for each in (*stored, *labels))


async def test_changed_rules_hold_for_what_is_there_once_they_are_applied(
    service: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire, "AT_ONCE", 3)
    events = await _spread(service, 11)
    await service.keep("fraud", 30)
    await service.keep("fraud/versions/2", 20)
    assert not await service.predictions.count_documents({"expires_at": {"$exists": True}})
    assert await _apply(service) == Applied(4, 44, 22, 9, 4)
    assert await _as_the_rules_say(service)
    assert await _apply(service) == Applied(4, 44, 0, 9, 0)
    await service.client.delete("/v1/models/fraud/retention")
    assert (await _apply(service)).predictions_changed == 11
    assert await _as_the_rules_say(service)
    assert await service.predictions.count_documents({}) == len(events)
    await service.keep("churn/versions/1", 1)  # shorter: the older of them go
    await _apply(service)

    async def only_a_day() -> bool:
        left = await service.predictions.count_documents({"model": "churn", "version": "1"})
        return left == 4 and not await service.feedback.count_documents(
            {"expires_at": {"$lte": now()}}
        )

    await until(only_a_day, 60)
    assert await _as_the_rules_say(service)


async def test_a_plan_tells_what_would_change_and_go_and_changes_nothing(
    service: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire, "AT_ONCE", 3)
    await _spread(service, 11)
    await service.keep("churn/versions/1", 1)
    before = (
        await service.predictions.find().to_list(None),
        await service.feedback.find().to_list(None),
    )
    planned = await _apply(service, changes=False)
    assert planned == Applied(4, 44, 11, 9, 3, predictions_expired=7, labels_expired=2)
    assert before == (
        await service.predictions.find().to_list(None),
        await service.feedback.find().to_list(None),
    )
    applied = await _apply(service)
    assert applied.predictions_changed == planned.predictions_changed
    assert applied.labels_changed == planned.labels_changed


async def test_labels_go_too_when_their_prediction_is_deleted_before_their_turn(
    service: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _spread(service, 11)
    await service.keep("churn/versions/1", 1)
    plain = Expire._apply_to_labels

    async def later(run: Expire, rules: Rules) -> None:
        await service.predictions.delete_many({"expires_at": {"$lte": now()}})
        await plain(run, rules)

    monkeypatch.setattr(Expire, "_apply_to_labels", later)
    await _apply(service)
    there = {each["_id"] for each in await service.predictions.find().to_list(None)}
    left = await service.feedback.find({"expires_at": {"$exists": False}}).to_list(None)
    assert {each["_id"] for each in left} <= there


@pytest.mark.parametrize("batches", [0, 1, 5, 8, 9])
async def test_it_ends_the_same_when_it_was_interrupted(
    service: Keeping, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr(expire, "AT_ONCE", 7)
    await _spread(service, 11)
    await service.keep("fraud", 30)
    done = 0

    def interrupt(_applied: Applied, _place: str) -> None:
        nonlocal done
        done += 1
        if done > batches:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await Expire(service.state["mongo"], None, interrupt).run()
    assert done == batches + 1
    await asyncio.gather(_apply(service), _apply(service))
    assert await _as_the_rules_say(service)


async def test_rules_that_change_meanwhile_are_those_it_ends_with(
    service: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expire, "AT_ONCE", 7)
    await _spread(service, 11)
    await service.keep("fraud", 30)
    plain, changed = Expire._apply_to_labels, asyncio.Event()

    async def meanwhile(run: Expire, rules: Rules) -> None:
        if not changed.is_set():
            changed.set()
            await service.keep("churn", 40)
        await plain(run, rules)

    monkeypatch.setattr(Expire, "_apply_to_labels", meanwhile)
    await _apply(service)
    assert changed.is_set()
    assert await _as_the_rules_say(service)


async def test_labels_that_came_before_their_prediction_go_with_it(service: Keeping) -> None:
    event, never = _event(), uuid4()
    for prediction_id in (event["prediction_id"], never):
        assert (await _label(service, prediction_id)).json()["pending"]
    await service.keep("fraud", 30)
    await post_event(service.client, event)
    assert (await _apply(service)).labels_changed == 1
    labels = await service.feedback.find_one({"_id": UUID(event["prediction_id"])}) or {}
    stored = await service.one(event["prediction_id"]) or {}
    assert labels["expires_at"] == stored["expires_at"]
    assert "expires_at" not in (await service.feedback.find_one({"_id": never}) or {})


@pytest.mark.parametrize("command", ["plan", "apply"])
async def test_the_command_tells_what_it_did(
    service: Keeping, mongod: MongoEngine, command: str
) -> None:
    await _spread(service, 11)
    await service.keep("fraud", 30)
    told = await asyncio.to_thread(
        run_cli, "retention", command, "--json", MONGODB_URL=mongod.url, NO_COLOR="1"
    )
    assert told.exit_code == 0, told.stderr
    assert json.loads(told.stdout) == {
        "versions": 4,
        "predictions": 44,
        "predictions_changed": 22,
        "labels": 9,
        "labels_changed": 4,
        "predictions_expired": 0,
        "labels_expired": 0,
    }
    assert await _as_the_rules_say(service) == (command == "apply")


async def test_the_command_says_in_a_sentence_that_mongodb_is_not_there() -> None:
    nowhere = "mongodb://127.0.0.1:9/?connectTimeoutMS=100"
    told = await asyncio.to_thread(
        run_cli, "retention", "apply", MONGODB_URL=nowhere, DATABASE_URL="postgresql://h/d"
    )
    assert told.exit_code == 5
    assert "not reachable" in told.stderr
