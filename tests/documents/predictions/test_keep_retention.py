"""The background job applies changed rules once, and reads nothing while they stay the same."""

import time
from typing import Any
from uuid import UUID

import httpx2
import pytest

from service.documents.predictions import keep_retention
from service.documents.predictions.apply_retention import RetentionJob
from service.documents.predictions.documents import PREDICTIONS
from service.documents.predictions.keep_retention import JOBS, RetentionUpkeep, fingerprint
from service.documents.retention.rules import Rules
from service.main import State
from service.stores.mongo.lease import Lease, LeaseLost
from tests.documents.predictions.factories import make_event, post_event
from tests.documents.retention.retention_service import timestamp_ago


@pytest.fixture
async def lease(state: State) -> Lease:
    """A lease that is ours, and other rules applied before."""
    await remember(state, "earlier rules")
    lease = Lease(state["mongo"], "test_keep_retention")
    assert await lease.hold()
    return lease


async def remember(state: State, rules: str) -> None:
    jobs = state["mongo"].database[JOBS]
    await jobs.replace_one({"_id": RetentionUpkeep.name}, {"rules": rules}, upsert=True)


async def remembered(state: State) -> str | None:
    document = await state["mongo"].database[JOBS].find_one({"_id": RetentionUpkeep.name})
    return None if document is None else str(document["rules"])


async def expiry_of(state: State, event: dict[str, Any]) -> object:
    where = {"_id": UUID(event["prediction_id"])}
    stored = await state["mongo"].database[PREDICTIONS].find_one(where)
    assert stored is not None
    return stored.get("expires_at")


@pytest.fixture
def job_runs(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times at which the stored predictions were read."""
    runs: list[float] = []

    class Noted(RetentionJob):
        async def run(self) -> Any:
            runs.append(time.monotonic())
            return await super().run()

    monkeypatch.setattr(keep_retention, "RetentionJob", Noted)
    return runs


async def test_changed_rules_are_applied_once_to_stored_predictions(
    client: httpx2.AsyncClient, state: State, lease: Lease, job_runs: list[float]
) -> None:
    event = make_event(model="kept", timestamp=timestamp_ago(hours=1))
    assert (await post_event(client, event)).status_code == 201
    upkeep = RetentionUpkeep(state["mongo"], None, settle_seconds=0)
    await upkeep.run(lease)
    assert await expiry_of(state, event) is None
    rule = f"/v1/models/{event['model']}/retention"
    created = await client.put(rule, json={"days": 30})
    await upkeep.run(lease)
    assert await expiry_of(state, event) is not None
    assert len(job_runs) == 2
    await upkeep.run(lease)
    successor = RetentionUpkeep(state["mongo"], None, settle_seconds=0)
    await successor.run(lease)
    assert len(job_runs) == 2
    await client.delete(rule, headers={"If-Match": created.headers["ETag"]})
    await successor.run(lease)
    assert await expiry_of(state, event) is None
    await RetentionUpkeep(state["mongo"], 90, settle_seconds=0).run(lease)  # another default
    assert await expiry_of(state, event) is not None


async def test_first_run_remembers_the_rules_and_deletes_nothing(
    client: httpx2.AsyncClient, state: State, lease: Lease, job_runs: list[float]
) -> None:
    """A release that brings this job finds rules which nobody has applied to earlier events."""
    await state["mongo"].database[JOBS].delete_many({})
    event = make_event(model="kept", timestamp=timestamp_ago(hours=1))
    assert (await post_event(client, event)).status_code == 201
    await client.put(f"/v1/models/{event['model']}/retention", json={"days": 30})
    await RetentionUpkeep(state["mongo"], None, settle_seconds=0).run(lease)
    assert job_runs == []
    assert await expiry_of(state, event) is None
    assert await remembered(state) is not None


async def test_rules_wait_until_every_process_knows_them(
    client: httpx2.AsyncClient, state: State, lease: Lease, job_runs: list[float]
) -> None:
    upkeep = RetentionUpkeep(state["mongo"], None, settle_seconds=3600)
    await upkeep.run(lease)
    await upkeep.run(lease)
    assert job_runs == []
    assert await remembered(state) == "earlier rules"


async def test_lost_lease_ends_the_job_and_remembers_nothing(
    client: httpx2.AsyncClient, state: State, lease: Lease
) -> None:
    assert (await post_event(client, make_event())).status_code == 201
    await lease.release()
    upkeep = RetentionUpkeep(state["mongo"], None, settle_seconds=0)
    with pytest.raises(LeaseLost):
        await upkeep.run(lease)
    assert await remembered(state) == "earlier rules"


def test_fingerprint_depends_on_days_and_not_on_order() -> None:
    def rules(days: int, *models: str) -> Rules:
        return Rules.of([{"model": m, "model_version": None, "days": days} for m in models], None)

    assert fingerprint(rules(1, "a", "b")) == fingerprint(rules(1, "b", "a"))
    assert len({fingerprint(rules(days, "a")) for days in (1, 2)}) == 2
