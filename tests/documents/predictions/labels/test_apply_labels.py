"""Labels of a batch: the result of each, and what is stored."""

from uuid import uuid4

import httpx2
from fastapi import FastAPI

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.documents.predictions.labels.history import MAX_REVISIONS
from service.main import State
from tests.documents.predictions.factories import make_event, post_batch, post_event
from tests.documents.predictions.labels.factories import (
    codes_of,
    counts_of,
    make_label,
    post_labels,
    stored_labels,
    stream_labels,
)
from tests.fixtures.client import client_as


async def test_batch_reports_the_change_of_each_label(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_event(client, event)
    stored, missing = event["prediction_id"], str(uuid4())
    body = await post_labels(
        client,
        [
            make_label(stored, 2),
            make_label(stored, 2),
            make_label(missing, 2),
            make_label(stored, 1, label=0),
            make_label(stored, 3),
            make_label(stored, 2, source="audit"),
        ],
    )
    assert body["results"] == [
        {"prediction_id": stored, "status": 201, "code": "labelled"},
        {"prediction_id": stored, "status": 200, "code": "unchanged"},
        {"prediction_id": missing, "status": 201, "code": "labelled", "pending": True},
        {"prediction_id": stored, "status": 200, "code": "unchanged"},
        {"prediction_id": stored, "status": 200, "code": "revised"},
        {"prediction_id": stored, "status": 200, "code": "unchanged"},
    ]
    assert counts_of(body) == (2, 1, 3, 1, 0)
    feedback = (await client.get(f"/v1/predictions/{stored}")).json()["feedback"]
    assert [(item["observed_at"][:10], item["source"]) for item in feedback["history"]] == [
        ("2026-01-01", "lab"),
        ("2026-01-02", "audit"),
        ("2026-01-02", "lab"),
        ("2026-01-03", "lab"),
    ]
    assert (feedback["observed_at"][:10], feedback["version"]) == ("2026-01-03", 4)


async def test_batch_repeated_changes_nothing_and_a_later_one_revises(
    client: httpx2.AsyncClient, state: State
) -> None:
    labels = [make_label(day=5) for _ in range(30)]
    assert counts_of(await post_labels(client, labels)) == (30, 0, 0, 30, 0)
    before = await stored_labels(state)
    assert counts_of(await post_labels(client, labels)) == (0, 0, 30, 30, 0)
    assert await stored_labels(state) == before
    later = [{**label, "observed_at": "2026-01-06T00:00:00Z"} for label in labels]
    assert counts_of(await post_labels(client, later)) == (0, 30, 0, 30, 0)
    earlier = [{**label, "observed_at": "2026-01-02T00:00:00Z"} for label in labels]
    assert counts_of(await post_labels(client, earlier)) == (0, 0, 30, 30, 0)
    assert {document["version"] for document in (await stored_labels(state)).values()} == {3}


async def test_prediction_logged_after_its_label_shows_it(client: httpx2.AsyncClient) -> None:
    events = [make_event() for _ in range(20)]
    labels = [make_label(event["prediction_id"]) for event in events]
    assert (await post_labels(client, labels))["pending"] == 20
    await post_batch(client, events)
    prediction = (await client.get(f"/v1/predictions/{events[7]['prediction_id']}")).json()
    feedback = prediction["feedback"]
    assert (feedback["label"], feedback["pending"]) == (1, False)
    assert (await post_labels(client, labels))["pending"] == 0


async def test_key_bound_to_other_models_is_rejected_label_by_label(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> None:
    own, foreign = make_event(model="fraud-eu"), make_event(model="churn")
    await post_batch(client, [own, foreign])
    bound = Caller(scopes=scopes_of("admin"), models=("fraud-*",))
    labels = [make_label(own["prediction_id"]), make_label(foreign["prediction_id"]), make_label()]
    async with client_as(bound, app, state) as bound_client:
        body = await post_labels(bound_client, [*labels, labels[1]])
        (line,) = await stream_labels(bound_client, [*labels, labels[1]])
    assert codes_of(body) == ["labelled", "rejected", "labelled", "rejected"]
    assert (body["results"][1]["status"], body["pending"]) == (404, 1)
    assert body["results"][1]["errors"][0]["code"] == "prediction_not_found"
    assert counts_of(line) == (0, 0, 2, 1, 2)
    assert [error["line"] for error in line["errors"]] == [2, 4]
    assert len(await stored_labels(state)) == 2


async def test_full_history_rejects_a_new_label_and_the_rest_is_stored(
    client: httpx2.AsyncClient, state: State
) -> None:
    full = uuid4()
    body = await post_labels(client, [make_label(full, label=value) for value in range(998)])
    assert (body["labelled"], body["revised"]) == (1, 997)
    more = [make_label(full, label=value) for value in (5, 2000, 2001, 2002, 2000)]
    body = await post_labels(client, [*more, make_label()])
    codes = ["unchanged", "revised", "revised", "rejected", "unchanged", "labelled"]
    assert codes_of(body) == codes
    assert body["results"][3]["status"] == 409
    assert body["results"][3]["errors"][0]["code"] == "too_many_revisions"
    stored = (await stored_labels(state))[full]
    assert (stored["version"], len(stored["history"])) == (MAX_REVISIONS, MAX_REVISIONS)
    assert stored["latest"]["label"] == 2001
