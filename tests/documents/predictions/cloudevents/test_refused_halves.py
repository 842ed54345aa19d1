"""Halves that cannot be read are kept as they came; their pair waits for a reader that takes it."""

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest

from service.core.errors import Unavailable
from service.documents.predictions.cloudevents import identity, inference_protocol
from service.documents.predictions.cloudevents.attributes import invalid
from service.documents.predictions.cloudevents.pending import PendingStore
from service.documents.predictions.documents import PENDING_PAIRS, PREDICTIONS
from service.main import State
from tests.documents.predictions.cloudevents.inference_server import (
    FEATURES,
    OUTPUT,
    REQUEST_TYPE,
    RESPONSE_TYPE,
    V2_REQUEST,
    V2_RESPONSE,
    cloud_event,
    message_event,
    post_events,
    post_structured,
    prediction_id_of,
    send_message,
    send_request,
    send_response,
    stored_pairs,
)
from tests.documents.predictions.factories import make_event, post_event, stored_events

HALVES = "/v1/predictions/halves"
REFUSED = f"{HALVES}?state=refused&count=exact"


async def refused(client: httpx2.AsyncClient) -> list[Any]:
    items: list[Any] = (await client.get(REFUSED)).json()["items"]
    return items


async def replay(client: httpx2.AsyncClient, pair: Any) -> Any:
    response = await client.post(f"{HALVES}/{pair['pair_id']}/replay")
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
def older_reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A reader that knows no V2; `undo()` is the upgrade."""
    monkeypatch.setattr(inference_protocol, "_REQUEST_FIELDS", ("instances",))
    return monkeypatch


@pytest.fixture
def older_names(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A reader that takes no names; `undo()` is the upgrade."""

    def refuse(_names: object, _event_id: str) -> None:
        raise invalid("/namespace", "Use another name.")

    monkeypatch.setattr(identity, "_check_names", refuse)
    return monkeypatch


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b'{"inputs": [', 400, "invalid_json"),
        (b"\xff\x00", 400, "invalid_utf8"),
        (b"", 400, "invalid_json"),
        (b'{"prompt": "hello"}', 422, "invalid"),
        (
            rb'{"inputs": [{"name": "x", "shape": [1], "datatype": "\ud83d"}]}',
            422,
            "invalid_unicode",
        ),
        (rb'{"instances": [{"x": "\ud83d"}]}', 422, "invalid_unicode"),
        (rb'{"instances": [{"x": NaN, "\ud83d": 1}]}', 422, "invalid_unicode"),
        (b'{"instances": [%s]}' % b",".join([b"1"] * 1001), 422, "invalid"),
    ],
)
async def test_half_unreadable_is_kept_as_it_came_with_its_reason(
    client: httpx2.AsyncClient, state: State, data: bytes, status: int, code: str
) -> None:
    for _ in range(2):
        response = await send_request(client, "7", data)
        assert response.status_code == status
        assert "state=refused" in response.json()["detail"]
        assert response.json()["errors"][0]["pointer"].startswith("/data")
    (pair,) = await refused(client)
    assert (pair["event_id"], pair["model"], pair["has"]) == ("7", "iris", ["request"])
    assert (pair["refusal"]["code"], pair["refusal"]["pointer"][:5]) == (code, "/data")
    (stored,) = await stored_pairs(state)
    assert stored["request"]["data"] == data
    assert (stored["expires_at"] - stored["received_at"]).days == 7


async def test_half_refused_is_counted_in_metrics(client: httpx2.AsyncClient) -> None:
    async def count() -> float:
        text = (await client.get("/metrics")).text
        name = r'polystore_prediction_halves_refused_total\{reason="invalid_json"\} (\S+)'
        found = re.search(name, text)
        return 0.0 if found is None else float(found[1])

    before = await count()
    await send_request(client, "7", b"{")
    assert await count() == before + 1


@pytest.mark.parametrize("refused_first", [True, False])
async def test_partner_of_a_refused_half_joins_it_and_the_pair_stays_refused(
    client: httpx2.AsyncClient, state: State, refused_first: bool
) -> None:
    sending = [send_request(client, "7", b"{"), send_response(client, "7")]
    for sent in sending if refused_first else reversed(sending):
        response = await sent
    expected = (422, "pair_refused") if refused_first else (400, "invalid_json")
    assert (response.status_code, response.json()["code"]) == expected
    (pair,) = await refused(client)
    assert (pair["has"], pair["refusal"]["code"]) == (["request", "response"], "invalid_json")
    assert await stored_events(state) == []


async def test_refused_half_gives_way_to_a_readable_one_and_not_the_reverse(
    client: httpx2.AsyncClient, state: State
) -> None:
    await send_request(client, "7", b"{")
    other = await send_request(client, "7", b"[")
    assert other.status_code == 400
    assert "state=refused" not in other.json()["detail"]  # the first is the one that is kept
    assert (await send_request(client, "7")).status_code == 202
    late = await send_request(client, "7", b"{")
    assert (late.status_code, late.json()["code"]) == (400, "invalid_json")
    assert (await send_response(client, "7")).status_code == 201
    assert [event["features"] for event in await stored_events(state)] == [FEATURES]


async def test_replay_after_an_upgrade_logs_the_event_once(
    client: httpx2.AsyncClient, state: State, older_reader: Any
) -> None:
    assert (await send_request(client, "7")).status_code == 422
    assert (await send_response(client, "7")).status_code == 422
    (pair,) = await refused(client)
    still = await replay(client, pair)
    assert (still["state"], still["refusal"]["pointer"]) == ("refused", "/data")
    older_reader.undo()
    replays = await asyncio.gather(*[replay(client, pair) for _ in range(4)])
    assert {replayed["state"] for replayed in replays} <= {"logged", "whole"}
    assert (await replay(client, pair))["prediction_ids"] == [prediction_id_of("7")]
    (event,) = await stored_events(state)
    assert (event["features"], event["output"]) == (FEATURES, OUTPUT)
    assert await refused(client) == []
    assert (await send_request(client, "7")).json()["code"] == "duplicate"


async def test_replay_cut_off_before_its_outcome_is_repeated(
    client: httpx2.AsyncClient, state: State, older_reader: Any
) -> None:
    await send_request(client, "7")
    await send_response(client, "7")
    (pair,) = await refused(client)
    older_reader.undo()

    async def fail(_store: PendingStore, _outcomes: Any) -> None:
        raise Unavailable

    with pytest.MonkeyPatch.context() as cut:
        cut.setattr(PendingStore, "finish", fail)
        cut_off = await client.post(f"{HALVES}/{pair['pair_id']}/replay")
    assert cut_off.status_code == 503
    (event,) = await stored_events(state)
    assert (await stored_pairs(state))[0]["state"] == "whole"
    assert (await send_request(client, "7")).json()["code"] == "duplicate"
    assert (await replay(client, pair))["state"] == "logged"
    assert await stored_events(state) == [event]


async def test_replay_of_a_lone_half_makes_it_wait(
    client: httpx2.AsyncClient, older_reader: Any
) -> None:
    await send_request(client, "7")
    (pair,) = await refused(client)
    older_reader.undo()
    assert (await replay(client, pair))["state"] == "waiting"
    assert (await send_response(client, "7")).status_code == 201


async def test_replay_of_a_conflict_logs_the_pair_once_the_id_is_free(
    client: httpx2.AsyncClient, state: State
) -> None:
    await post_event(client, make_event(prediction_id=prediction_id_of("7"), model="other"))
    await send_request(client, "7")
    await send_response(client, "7")
    (pair,) = await refused(client)
    assert (await replay(client, pair))["refusal"]["code"] == "conflict"
    await state["mongo"].database[PREDICTIONS].delete_many({})
    assert (await replay(client, pair))["state"] == "logged"
    assert [event["features"] for event in await stored_events(state)] == [FEATURES]


async def test_replay_of_a_half_whose_names_are_read_now_joins_its_pair(
    client: httpx2.AsyncClient, state: State, older_names: Any
) -> None:
    assert (await send_request(client, "7")).status_code == 422
    older_names.undo()
    assert (await send_response(client, "7")).status_code == 202
    (pair,) = await refused(client)
    assert pair["pair_id"] != prediction_id_of("7")
    assert (await replay(client, pair))["prediction_ids"] == [prediction_id_of("7")]
    assert (await client.post(f"{HALVES}/{pair['pair_id']}/replay")).status_code == 404
    assert [item["state"] for item in await stored_pairs(state)] == ["logged"]


async def test_replay_of_a_half_whose_place_is_taken_keeps_it(
    client: httpx2.AsyncClient, state: State, older_names: Any
) -> None:
    assert (await send_request(client, "7")).status_code == 422
    older_names.undo()
    other = {"instances": [[1.0, 2.0]]}
    assert (await send_request(client, "7", other)).status_code == 202
    (pair,) = await refused(client)
    assert (await replay(client, pair))["pair_id"] == pair["pair_id"]
    assert [item["pair_id"] for item in await refused(client)] == [pair["pair_id"]]
    sent = [json.loads(item["request"]["data"]) for item in await stored_pairs(state)]
    assert sorted(sent, key=str) == [V2_REQUEST, other]


async def test_replay_keeps_a_partner_that_arrives_under_the_old_id(
    client: httpx2.AsyncClient, state: State, older_names: Any
) -> None:
    assert (await send_request(client, "7")).status_code == 422
    (pair,) = await refused(client)
    add = PendingStore.add

    async def add_late(store: PendingStore, messages: Any) -> Any:
        added = await add(store, messages)
        with pytest.MonkeyPatch.context() as old:
            old.setattr(PendingStore, "add", add)
            old.setattr(identity, "_check_names", refuse_names)
            assert (await send_response(client, "7")).status_code == 422
        return added

    refuse_names = identity._check_names
    older_names.undo()
    older_names.setattr(PendingStore, "add", add_late)
    assert (await replay(client, pair))["state"] == "waiting"
    older_names.undo()
    assert [item["has"] for item in await refused(client)] == [["request", "response"]]
    assert (await replay(client, pair))["state"] == "logged"
    assert await refused(client) == []
    assert [event["output"] for event in await stored_events(state)] == [OUTPUT]


async def test_replay_all_goes_on_after_a_pair_that_has_gone(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for event_id in ("a", "b", "c"):
        await send_request(client, event_id, b"{")
    refused_ids = PendingStore.refused_ids
    gone: list[Any] = []

    async def remove_the_last(store: PendingStore, *query: Any) -> Any:
        ids = await refused_ids(store, *query)
        gone.append(ids[-1])
        await state["mongo"].database[PENDING_PAIRS].delete_one({"_id": ids[-1]})
        return ids

    monkeypatch.setattr(PendingStore, "refused_ids", remove_the_last)
    for limit, next_after in ((3, True), (4, False)):
        response = await client.post(f"{HALVES}/replay?limit={limit}")
        assert response.status_code == 200, response.text
        page = response.json()
        assert [pair["state"] for pair in page["results"]] == ["refused"] * (4 - len(gone) - 1)
        assert page["next_after"] == (str(gone[-1]) if next_after else None)


async def test_half_without_a_model_is_kept_and_its_partner_joins_it(
    client: httpx2.AsyncClient,
) -> None:
    for kind, data in ((REQUEST_TYPE, V2_REQUEST), (RESPONSE_TYPE, V2_RESPONSE)):
        half = message_event(kind, "7", data) | {"inferenceservicename": ""}
        assert (await post_structured(client, half)).status_code == 422
    (pair,) = await refused(client)
    assert (pair["model"], pair["refusal"]["pointer"]) == ("", "/inferenceservicename")
    assert pair["has"] == ["request", "response"]


async def test_replay_all_goes_through_the_pairs_of_a_model(
    client: httpx2.AsyncClient, older_reader: Any
) -> None:
    tulip = {"Ce-Inferenceservicename": "tulip"}
    for event_id in ("a", "b", "c"):
        await send_request(client, event_id)
    await send_message(client, REQUEST_TYPE, "d", V2_REQUEST, **tulip)
    older_reader.undo()
    states: list[str] = []
    after = ""
    while len(states) < 10:
        page = (await client.post(f"{HALVES}/replay?model=iris&limit=2{after}")).json()
        states += [pair["state"] for pair in page["results"]]
        if page["next_after"] is None:
            break
        after = f"&after={page['next_after']}"
    assert states == ["waiting"] * 3
    assert [pair["model"] for pair in await refused(client)] == ["tulip"]


async def test_batch_keeps_refused_halves_beside_the_others(
    client: httpx2.AsyncClient,
) -> None:
    events = [
        message_event(REQUEST_TYPE, "a", V2_REQUEST),
        message_event(REQUEST_TYPE, "b", {"prompt": float("nan")}),
        message_event(REQUEST_TYPE, "c", {"instances": [[1.5, float("nan")]]}),
        message_event(RESPONSE_TYPE, "c", {"predictions": [1]}),
    ]
    results = (await post_events(client, events)).json()["results"]
    assert [result["status"] for result in results] == [202, 422, 201, 201]
    assert [pair["event_id"] for pair in await refused(client)] == ["b"]


async def test_half_with_nan_makes_an_event_with_it(
    client: httpx2.AsyncClient, state: State
) -> None:
    assert (await send_request(client, "7", b'{"instances": [[6.8, NaN]]}')).status_code == 202
    repeated = message_event(REQUEST_TYPE, "7", {"instances": [[6.8, float("nan")]]})
    assert (await post_structured(client, repeated)).status_code == 202
    other = message_event(REQUEST_TYPE, "7", {"instances": [[6.8, None]]})
    assert (await post_structured(client, other)).status_code == 409
    assert (await send_response(client, "7", b'{"predictions": [1]}')).status_code == 201
    (event,) = await stored_events(state)
    assert repr(event["features"]) == "{'instances_0': 6.8, 'instances_1': nan}"


async def test_prediction_of_cloudevents_shape_is_not_kept(client: httpx2.AsyncClient) -> None:
    """Its sender reads the response, and can send it again."""
    assert (await post_structured(client, cloud_event({}))).status_code == 422
    assert await refused(client) == []
