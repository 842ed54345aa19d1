"""Labels, many at once: what each did, and that none is lost, whatever is wrong with others."""

import asyncio
import gzip
import json
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.core.errors import Unavailable
from service.documents.predictions.documents import FEEDBACK
from service.documents.predictions.labels.history import MAX_REVISIONS
from service.documents.predictions.labels.repository import MAX_FETCHED_HISTORY, LabelRepository
from service.main import State
from tests.documents.predictions.factories import GZIP, JSON, make_event, post_batch, post_event
from tests.documents.predictions.labels.factories import (
    BATCH,
    codes_of,
    counts_of,
    label_repository,
    make_label,
    post_labels,
    stored_labels,
    stream_labels,
)
from tests.fixtures.client import client_as


async def test_each_label_is_told_what_it_did(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_event(client, event)
    here, nowhere = event["prediction_id"], str(uuid4())
    told = await post_labels(
        client,
        [
            make_label(here, 2),
            make_label(here, 2),
            make_label(nowhere, 2),
            make_label(here, 1, label=0),
            make_label(here, 3),
            make_label(here, 2, source="audit"),
        ],
    )
    assert told["results"] == [
        {"prediction_id": here, "status": 201, "code": "labelled"},
        {"prediction_id": here, "status": 200, "code": "unchanged"},
        {"prediction_id": nowhere, "status": 201, "code": "labelled", "pending": True},
        {"prediction_id": here, "status": 200, "code": "unchanged"},
        {"prediction_id": here, "status": 200, "code": "revised"},
        {"prediction_id": here, "status": 200, "code": "unchanged"},
    ]
    assert counts_of(told) == (2, 1, 3, 1, 0)
    feedback = (await client.get(f"/v1/predictions/{here}")).json()["feedback"]
    assert [(each["observed_at"][:10], each["source"]) for each in feedback["history"]] == [
        ("2026-01-01", "lab"),
        ("2026-01-02", "audit"),
        ("2026-01-02", "lab"),
        ("2026-01-03", "lab"),
    ]
    assert (feedback["observed_at"][:10], feedback["version"]) == ("2026-01-03", 4)


async def test_a_second_delivery_changes_nothing_and_a_revision_is_told(
    client: httpx2.AsyncClient, state: State
) -> None:
    labels = [make_label(day=5) for _ in range(30)]
    assert counts_of(await post_labels(client, labels)) == (30, 0, 0, 30, 0)
    before = await stored_labels(state)
    assert counts_of(await post_labels(client, labels)) == (0, 0, 30, 30, 0)
    assert await stored_labels(state) == before
    again = [{**each, "observed_at": "2026-01-06T00:00:00Z"} for each in labels]
    assert counts_of(await post_labels(client, again)) == (0, 30, 0, 30, 0)
    late = [{**each, "observed_at": "2026-01-02T00:00:00Z"} for each in labels]
    assert counts_of(await post_labels(client, late)) == (0, 0, 30, 30, 0)
    assert {each["version"] for each in (await stored_labels(state)).values()} == {3}


async def test_a_prediction_that_comes_later_shows_its_labels(client: httpx2.AsyncClient) -> None:
    events = [make_event() for _ in range(20)]
    labels = [make_label(event["prediction_id"]) for event in events]
    assert (await post_labels(client, labels))["pending"] == 20
    await post_batch(client, events)
    read = (await client.get(f"/v1/predictions/{events[7]['prediction_id']}")).json()
    assert (read["feedback"]["label"], read["feedback"]["pending"]) == (1, False)
    assert (await post_labels(client, labels))["pending"] == 0


WRONG = [
    ({"label": None}, "/label"),
    ({"label": [1]}, "/label"),
    ({"label": {"$ne": 1}}, "/label"),
    ({"label": "x" * 201}, "/label"),
    ({"label": "\x00"}, "/label"),
    ({"label": "\ud800"}, "/label"),
    ({"label": 2**63}, "/label"),
    ({"label": 10**400}, "/label"),
    ({"observed_at": "2026-01-01T00:00:00"}, "/observed_at"),
    ({"observed_at": "0001-01-01T00:00:00+14:00"}, "/observed_at"),
    ({"observed_at": "2200-01-01T00:00:00Z"}, "/observed_at"),
    ({"observed_at": 1767225600}, "/observed_at"),
    ({"observed_at": None}, "/observed_at"),
    ({"source": ""}, "/source"),
    ({"source": 7}, "/source"),
    ({"source": "\x00"}, "/source"),
    ({"source": None}, "/source"),
    ({"prediction_id": "nobody"}, "/prediction_id"),
    ({"prediction_id": 7}, "/prediction_id"),
    ({"colour": "red"}, "/colour"),
    ({"c" * 5000: "red"}, "/" + "c" * 200),
    ({"label": {"deep": [{} for _ in range(30_000)]}}, ""),
]


@pytest.mark.parametrize(("change", "pointer"), WRONG)
async def test_a_wrong_label_is_told_where_and_the_others_are_taken(
    client: httpx2.AsyncClient, state: State, change: dict[str, Any], pointer: str
) -> None:
    before, after = make_label(), make_label()
    wrong = {**make_label(), **change}
    for told in (
        await post_labels(client, [before, wrong, after]),
        (await stream_labels(client, [before, wrong, after]))[-1],
    ):
        assert (told["labelled"] + told["unchanged"], told["rejected"]) == (2, 1)
        error = told["errors"][0] if "errors" in told else told["results"][1]
        assert [each["pointer"] for each in error["errors"]] == [pointer]
    assert len(await stored_labels(state)) == 2


async def test_all_that_is_wrong_with_a_label_is_told_at_once(client: httpx2.AsyncClient) -> None:
    told = await post_labels(client, [{"label": [], "source": ""}, 7, None, {}])
    assert [[each["pointer"] for each in one["errors"]] for one in told["results"]] == [
        ["/label", "/observed_at", "/source", "/prediction_id"],
        [""],
        [""],
        ["/label", "/observed_at", "/prediction_id"],
    ]
    assert {(one["status"], one["prediction_id"]) for one in told["results"]} == {(422, None)}


@pytest.mark.parametrize(
    "label", [1, 0, -(2**63), 2**63 - 1, True, False, 2.5, 1e300, "malignant", "", "$x", "a.b"]
)
async def test_a_label_keeps_its_type(client: httpx2.AsyncClient, state: State, label: Any) -> None:
    sent = make_label(label=label)
    await post_labels(client, [sent])
    (kept,) = (await stored_labels(state)).values()
    assert kept["latest"]["label"] == label
    assert isinstance(kept["latest"]["label"], type(label))
    await post_labels(client, [{**sent, "label": str(label)}])
    assert len((await stored_labels(state, sent["prediction_id"])).popitem()[1]["history"]) == (
        1 if isinstance(label, str) else 2
    )


@pytest.mark.parametrize("body", [b"{}", b'{"items": []}', b"[]", b'{"items": [], "x": 1}'])
async def test_what_is_no_batch_is_refused(client: httpx2.AsyncClient, body: bytes) -> None:
    answer = await client.post(BATCH, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_batch")


async def test_a_batch_of_more_than_a_thousand_is_refused_whole(
    client: httpx2.AsyncClient, state: State
) -> None:
    answer = await client.post(BATCH, json={"items": [make_label() for _ in range(1001)]})
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_batch")
    assert await stored_labels(state) == {}


@pytest.mark.parametrize(("body", "status"), [(b'{"items": [', 400), (b"\xff", 400)])
async def test_what_is_no_json_is_refused(
    client: httpx2.AsyncClient, body: bytes, status: int
) -> None:
    answer = await client.post(BATCH, content=body, headers=JSON)
    assert answer.status_code == status
    answer = await client.post(BATCH, content=body)
    assert answer.status_code == 415


async def test_a_batch_may_be_packed_and_is_measured_unpacked(client: httpx2.AsyncClient) -> None:

    labels = [make_label(source="s" * 200) for _ in range(1000)]
    body = gzip.compress(json.dumps({"items": labels}).encode())
    answer = await client.post(BATCH, content=body, headers={**JSON, **GZIP})
    assert counts_of(answer.json()) == (1000, 0, 0, 1000, 0)
    bomb = gzip.compress(b" " * 6_000_000)
    answer = await client.post(BATCH, content=bomb, headers={**JSON, **GZIP})
    assert answer.status_code == 413


async def test_a_key_of_other_models_is_refused_label_by_label(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> None:
    ours, theirs = make_event(model="fraud-eu"), make_event(model="churn")
    await post_batch(client, [ours, theirs])
    bound = Caller(scopes=scopes_of("admin"), models=("fraud-*",))
    labels = [make_label(each["prediction_id"]) for each in (ours, theirs)] + [make_label()]
    async with client_as(bound, app, state) as speaking:
        told = await post_labels(speaking, [*labels, labels[1]])
        (line,) = await stream_labels(speaking, [*labels, labels[1]])
    assert codes_of(told) == ["labelled", "rejected", "labelled", "rejected"]
    assert (told["results"][1]["status"], told["pending"]) == (404, 1)
    assert told["results"][1]["errors"][0]["code"] == "prediction_not_found"
    assert (counts_of(line), [each["line"] for each in line["errors"]]) == ((0, 0, 2, 1, 2), [2, 4])
    assert len(await stored_labels(state)) == 2


async def test_a_thousand_and_first_observation_is_rejected_and_the_others_are_kept(
    client: httpx2.AsyncClient, state: State
) -> None:
    full = uuid4()
    told = await post_labels(client, [make_label(full, label=each) for each in range(998)])
    assert (told["labelled"], told["revised"]) == (1, 997)
    more = [make_label(full, label=each) for each in (5, 2000, 2001, 2002, 2000)]
    told = await post_labels(client, [*more, make_label()])
    codes = ["unchanged", "revised", "revised", "rejected", "unchanged", "labelled"]
    assert codes_of(told) == codes
    assert told["results"][3]["status"] == 409
    assert told["results"][3]["errors"][0]["code"] == "too_many_revisions"
    kept = (await stored_labels(state))[full]
    assert (kept["version"], len(kept["history"])) == (MAX_REVISIONS, MAX_REVISIONS)
    assert kept["latest"]["label"] == 2001


async def test_what_was_received_first_is_when_it_was_received(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Of two servers the one whose clock is behind may write last."""
    label = make_label()
    await post_labels(client, [label])
    feedback = state["mongo"].database[FEEDBACK]
    before = await stored_labels(state)
    for _ in range(2):
        (document,) = (await stored_labels(state)).values()
        later = document["latest"]["received_at"].replace(year=2100)
        for each in (document["latest"], *document["history"]):
            each["received_at"] = later
        await feedback.replace_one({"_id": document["_id"]}, document)
        assert codes_of(await post_labels(client, [label])) == ["unchanged"]
        (after,) = (await stored_labels(state)).values()
        assert after["latest"]["received_at"] < later
        assert after["latest"] == after["history"][0]
    assert before.keys() == (await stored_labels(state)).keys()


async def test_of_batches_at_once_each_is_told_what_it_alone_did(
    client: httpx2.AsyncClient, state: State
) -> None:
    """However they interleave: one of them labelled, and each observation is kept once."""
    ids = [uuid4() for _ in range(60)]
    batches = [
        [make_label(each, day, source=source) for each in ids]
        for day in range(1, 7)
        for source in ("lab", "audit")
    ]
    answers = await asyncio.gather(*(post_labels(client, batch) for batch in batches * 2))
    labelled = [
        each["prediction_id"]
        for answer in answers
        for each in answer["results"]
        if each["code"] == "labelled"
    ]
    assert sorted(labelled) == sorted(map(str, ids))
    total = [sum(counts) for counts in zip(*map(counts_of, answers), strict=True)]
    assert sum(total[:3]) == 60 * 24
    assert total[1] <= 60 * 11
    kept = await stored_labels(state)
    assert {each["version"] for each in kept.values()} == {12}
    assert {each["latest"]["source"] for each in kept.values()} == {"lab"}


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """MongoDB goes away after a bulk write that lost all it wrote to others, and one label more."""
    merge_one = LabelRepository._merge_one
    added = []

    async def lost(_log: LabelRepository, told: Any) -> Any:
        return {}, list(told)

    async def goes(log: LabelRepository, prediction_id: UUID, observations: Any) -> Any:
        added.append(prediction_id)
        if len(added) == 2:
            raise Unavailable("MongoDB is not reachable.")
        return await merge_one(log, prediction_id, observations)

    monkeypatch.setattr(LabelRepository, "_merge_bulk", lost)
    monkeypatch.setattr(LabelRepository, "_merge_one", goes)


async def test_a_batch_that_was_written_in_part_is_not_called_undone(
    client: httpx2.AsyncClient, state: State, failing: None
) -> None:
    labels = [make_label() for _ in range(6)]
    answer = await client.post(BATCH, json={"items": labels})
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert len(await stored_labels(state)) == 3
    assert counts_of(await post_labels(client, labels)) == (3, 0, 3, 6, 0)


async def test_long_histories_are_not_fetched_and_told_as_exactly(
    client: httpx2.AsyncClient, state: State
) -> None:
    long = [uuid4() for _ in range(6)]
    for each in long:
        await post_labels(
            client, [make_label(each, 2, label=value) for value in range(MAX_FETCHED_HISTORY + 1)]
        )
    log = label_repository(state)
    assert await log._histories(long) == dict.fromkeys(long, (None, None))
    fresh = make_label()
    labels = [make_label(each, day) for each in long for day in (1, 2, 3)]
    told = await post_labels(client, [*labels, fresh])
    assert codes_of(told) == ["unchanged", "unchanged", "revised"] * 6 + ["labelled"]
    assert {
        (each["version"], each["latest"]["observed_at"].day)
        for each in (await stored_labels(state, *long)).values()
    } == {(MAX_FETCHED_HISTORY + 3, 3)}
