"""The rules as a process knows them: soon, cheaply, and through whatever MongoDB does."""

import asyncio
import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from service.documents.predictions.documents import PREDICTIONS
from service.documents.retention import rule_cache as current
from service.documents.retention.rule_cache import READS_THE_RULES
from service.main import State, create_app
from service.settings import Settings
from service.stores.embedded import MongoEngine, StoreUrls
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
    Keeping,
    ago,
    keeping,
    made_ago,
    until,
)
from tests.faults.test_store_down import paused_process
from tests.fixtures.client import ADMINISTRATOR, client_as
from tests.fixtures.service import running_service


def _event(**fields: Any) -> dict[str, Any]:
    return make_event(**{"timestamp": ago(hours=1), **fields})


async def test_a_rule_holds_in_a_second_process_within_seconds(
    client: httpx2.AsyncClient, state: State, engines: StoreUrls, worker_name: str, tmp_path: Path
) -> None:
    secret, url = state["settings"].secret, state["settings"].database_url
    assert secret is not None
    assert url is not None
    with running_service(
        tmp_path,
        DATABASE_URL=url.get_secret_value(),
        MONGODB_URL=engines.mongodb_url,
        POLYSTORE_MONGODB_DATABASE=worker_name,
        POLYSTORE_SECRET=secret.get_secret_value(),
    ) as other:
        headers = (await create_user(state, "admin")).headers

        async def stamped() -> bool:
            event = _event(model="elsewhere")
            async with httpx2.AsyncClient(base_url=other.url, headers=headers) as speaking:
                assert (await post_event(speaking, event)).status_code == 201
            found = (
                await state["mongo"]
                .database[PREDICTIONS]
                .find_one({"model": "elsewhere", "expires_at": {"$exists": True}})
            )
            return found is not None

        assert not await stamped()
        rule = {"days": 3}
        assert (await client.put("/v1/models/elsewhere/retention", json=rule)).status_code == 200
        await until(stamped, 3 * current.SECONDS_BETWEEN_LOOKS)


async def test_all_intakes_stamp_what_they_log_and_the_hash_is_as_before(
    service: Keeping,
) -> None:
    await service.keep("fraud", 30)
    await service.keep("fraud/versions/3", 7)
    old, new, free = _event(), _event(version="4"), _event(model="churn")
    assert (await post_event(service.client, old)).status_code == 201
    assert (await post_batch(service.client, [new, free]))["created"] == 2
    for event, days in ((old, 7), (new, 30)):
        stored = await service.one(event["prediction_id"])
        assert stored is not None
        assert stored["expires_at"] == stored["timestamp"] + days * DAY
    assert "expires_at" not in (await service.one(free["prediction_id"]) or {})
    await service.keep("fraud/versions/3", 8)
    assert (await post_event(service.client, old)).json()["code"] == "duplicate"
    read = (await service.client.get(f"/v1/predictions/{old['prediction_id']}")).json()
    assert "expires_at" not in read


async def test_removing_a_rule_brings_back_the_more_general_one(
    mongod: MongoEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current, "SECONDS_BETWEEN_LOOKS", 600)  # at once where it was changed
    async with keeping(mongod.url, tmp_path, retention_days=90) as service:
        rules = service.state["retention"]
        await service.keep("fraud", 30)
        await service.keep("fraud/versions/3", 7)
        assert (await rules.get()).kept("fraud", "3") == 7 * DAY
        for where, days in (("fraud/versions/3", 30), ("fraud", 90)):
            await service.client.delete(f"/v1/models/{where}/retention")

            async def general(days: int = days) -> bool:
                return (await rules.get()).kept("fraud", "3") == days * DAY

            await until(general)


async def test_the_rules_are_read_once_a_look_and_not_for_each_event(
    service: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = service.state["mongo"].database
    await database["system.profile"].drop()
    monkeypatch.setattr(current, "SECONDS_BETWEEN_LOOKS", 0.5)
    await service.keep("fraud", 30)  # and the next look is in half a second
    await database.command("profile", 2)
    for _ in range(20):
        await asyncio.gather(*(post_event(service.client, _event()) for _ in range(5)))
        await post_batch(service.client, [_event() for _ in range(50)])
    reads = {"command.comment": READS_THE_RULES}

    async def looked() -> bool:
        return await database["system.profile"].count_documents(reads) >= 3

    await until(looked)
    await database.command("profile", 0)
    looks = await database["system.profile"].find(reads).sort("ts").to_list(None)
    assert {each["planSummary"] for each in looks} == {"IXSCAN { model: 1, model_version: 1 }"}
    times = [each["ts"] for each in looks]
    between = [(late - early).total_seconds() for early, late in pairwise(times)]
    assert min(between) > 0.4


async def test_of_many_first_requests_one_reads_and_later_ones_wait_for_nothing(
    service: Keeping,
) -> None:
    rules = current.CurrentRules(service.state["mongo"], None)
    database = service.state["mongo"].database
    await database["system.profile"].drop()
    await database.command("profile", 2)
    found = await asyncio.gather(*(rules.get() for _ in range(50)))
    await database.command("profile", 0)
    reads = {"command.comment": READS_THE_RULES}
    assert await database["system.profile"].count_documents(reads) <= 2  # ours, and a look
    assert all(each is found[0] for each in found)
    waiting = rules.get()
    with pytest.raises(StopIteration):  # it does not even give way
        waiting.send(None)


async def test_rules_go_on_while_mongodb_hangs_and_events_are_logged_by_them_once_it_is_back(
    tmp_path: Path, mongod: MongoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(current, "SECONDS_BETWEEN_LOOKS", 0.1)
    patience = {"mongo_deadline_seconds": 1.8, "mongo_operation_seconds": 1.5}
    async with keeping(mongod.url, tmp_path, **patience) as service:
        await service.keep("fraud", 30)
        known, event = await service.state["retention"].get(), _event()
        with paused_process(mongod.pid):
            for _ in range(2):  # 1.8 s each, and so some looks that found nothing
                assert (await post_event(service.client, event)).status_code == 503
            assert await service.state["retention"].get() == known
        await _log(service, [event])
        await service.keep("fraud", 31)  # and they are read again


async def test_a_restart_of_mongodb_changes_nothing_about_what_is_kept(
    service: Keeping, mongod: MongoEngine
) -> None:
    await service.keep("fraud", 30)
    before = mongod.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)  # its guard starts it again
    await _log(service, [_event() for _ in range(40)])
    assert mongod.pid != before


async def _log(service: Keeping, events: list[dict[str, Any]]) -> None:
    """Sends each until it is logged; then all are there, with the time they are kept for."""

    async def log(event: dict[str, Any]) -> None:
        while (answer := await post_event(service.client, event)).status_code == 503:
            await asyncio.sleep(0.05)
        assert answer.status_code in (200, 201)

    async with asyncio.timeout(60):
        await asyncio.gather(*map(log, events))
    stored = await service.predictions.find().to_list(None)
    assert len(stored) == len(events)
    assert all(each["expires_at"] == each["timestamp"] + 30 * DAY for each in stored)


async def test_before_any_rule_was_read_nothing_is_logged_by_none(tmp_path: Path) -> None:
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
        answers = await asyncio.gather(*(post_event(client, _event()) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.json()["code"] for answer in answers} == {"unavailable"}


async def test_an_event_that_is_too_old_is_refused_by_each_intake(service: Keeping) -> None:
    await service.keep("fraud", 30)
    late, again = _event(timestamp=ago(days=31)), _event(prediction_id=str(made_ago(days=31)))
    for event, pointer in ((late, "/timestamp"), (again, "/prediction_id")):
        good = _event()
        single = await post_event(service.client, event)
        assert single.status_code == 422
        batch = await post_batch(service.client, [event, good])
        assert [each["status"] for each in batch["results"]] == [422, 201]
        (streamed,) = await post_stream(service.client, as_lines([event, good]))
        assert (streamed["rejected"], streamed["created"]) == (1, 0)
        for told in (single.json(), batch["results"][0], streamed["errors"][0]):
            (error,) = told["errors"]
            assert (error["pointer"], error["code"]) == (pointer, "event_expired")
            assert "30 days" in error["detail"]
        assert await service.one(event["prediction_id"]) is None
        assert (await service.one(good["prediction_id"]) or {})["expires_at"]
