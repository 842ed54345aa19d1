"""Labels in MongoDB: concurrent batches, failures midway, clocks that differ, long histories."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from service.core.errors import Unavailable
from service.documents.predictions.documents import FEEDBACK
from service.documents.predictions.labels.repository import MAX_FETCHED_HISTORY, LabelRepository
from service.main import State
from tests.documents.predictions.labels.factories import (
    BATCH,
    codes_of,
    counts_of,
    label_repository,
    make_label,
    post_labels,
    stored_labels,
)


async def test_received_at_is_that_of_the_earliest_delivery(
    client: httpx2.AsyncClient, state: State
) -> None:
    """The server whose clock is behind may write last."""
    label = make_label()
    await post_labels(client, [label])
    feedback = state["mongo"].database[FEEDBACK]
    before = await stored_labels(state)
    for _ in range(2):
        (document,) = (await stored_labels(state)).values()
        later = document["latest"]["received_at"].replace(year=2100)
        for observation in (document["latest"], *document["history"]):
            observation["received_at"] = later
        await feedback.replace_one({"_id": document["_id"]}, document)
        assert codes_of(await post_labels(client, [label])) == ["unchanged"]
        (after,) = (await stored_labels(state)).values()
        assert after["latest"]["received_at"] < later
        assert after["latest"] == after["history"][0]
    assert before.keys() == (await stored_labels(state)).keys()


async def test_batches_concurrent_report_their_own_changes(
    client: httpx2.AsyncClient, state: State
) -> None:
    """In any interleaving one batch labels a prediction, and each observation is stored once."""
    ids = [uuid4() for _ in range(25)]
    batches = [
        [make_label(prediction_id, day, source=source) for prediction_id in ids]
        for day in range(1, 7)
        for source in ("lab", "audit")
    ]
    bodies = await asyncio.gather(*(post_labels(client, batch) for batch in batches * 2))
    labelled = [
        result["prediction_id"]
        for body in bodies
        for result in body["results"]
        if result["code"] == "labelled"
    ]
    assert sorted(labelled) == sorted(map(str, ids))
    totals = [sum(counts) for counts in zip(*map(counts_of, bodies), strict=True)]
    assert sum(totals[:3]) == 25 * 24
    assert totals[1] <= 25 * 11
    stored = (await stored_labels(state)).values()
    assert {document["version"] for document in stored} == {12}
    assert {document["latest"]["source"] for document in stored} == {"lab"}


@pytest.fixture
def failing_mongo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every bulk write loses to others, and the second single update fails."""
    merge_one = LabelRepository._merge_one
    merged = []

    async def lose_all(_repository: LabelRepository, updates: Any) -> Any:
        return {}, list(updates)

    async def fail_second(repository: LabelRepository, prediction_id: UUID, update: Any) -> Any:
        merged.append(prediction_id)
        if len(merged) == 2:
            raise Unavailable("MongoDB is not reachable.")
        return await merge_one(repository, prediction_id, update)

    monkeypatch.setattr(LabelRepository, "_merge_bulk", lose_all)
    monkeypatch.setattr(LabelRepository, "_merge_one", fail_second)


async def test_batch_written_in_part_has_an_unknown_outcome(
    client: httpx2.AsyncClient, state: State, failing_mongo: None
) -> None:
    labels = [make_label() for _ in range(6)]
    response = await client.post(BATCH, json={"items": labels})
    assert (response.status_code, response.json()["code"]) == (503, "outcome_unknown")
    assert len(await stored_labels(state)) == 3
    assert counts_of(await post_labels(client, labels)) == (3, 0, 3, 6, 0)


async def test_long_history_is_not_fetched_and_reported_as_exactly(
    client: httpx2.AsyncClient, state: State
) -> None:
    ids = [uuid4() for _ in range(6)]
    for prediction_id in ids:
        values = range(MAX_FETCHED_HISTORY + 1)
        await post_labels(client, [make_label(prediction_id, 2, label=value) for value in values])
    histories = await label_repository(state)._histories(ids)
    assert histories == dict.fromkeys(ids, (None, None))
    labels = [make_label(prediction_id, day) for prediction_id in ids for day in (1, 2, 3)]
    body = await post_labels(client, [*labels, make_label()])
    assert codes_of(body) == ["unchanged", "unchanged", "revised"] * 6 + ["labelled"]
    assert {
        (document["version"], document["latest"]["observed_at"].day)
        for document in (await stored_labels(state, *ids)).values()
    } == {(MAX_FETCHED_HISTORY + 3, 3)}
