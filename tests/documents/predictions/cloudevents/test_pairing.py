"""Messages of a model server, and the events that a request and its response make."""

import json
from uuid import UUID, uuid4

import httpx2

from service.documents.predictions.cloudevents.identity import pair_id_of, prediction_ids
from service.main import State
from tests.documents.predictions.cloudevents.inference_server import (
    REQUEST_TYPE,
    RESPONSE_TYPE,
    V2_REQUEST,
    V2_RESPONSE,
    message_event,
    post_structured,
    prediction_id_of,
    send_message,
    send_request,
    send_response,
)
from tests.documents.predictions.factories import stored_events


async def test_message_without_model_or_inference_data_is_rejected(
    client: httpx2.AsyncClient,
) -> None:
    valid = message_event(REQUEST_TYPE, str(uuid4()), {"instances": [[1, 2]]})
    for change, pointer in (
        ({"inferenceservicename": ""}, "/inferenceservicename"),
        ({"inferenceservicename": "$x"}, "/inferenceservicename"),
        ({"namespace": "a/b"}, "/namespace"),
        ({"component": "x" * 201}, "/component"),
        ({"data": {"outputs": []}}, "/data"),
        ({"data": 7}, "/data"),
        ({"data": {"instances": [{"n": 10**34}]}}, "/data"),
        ({"data": {"instances": [{"s": "\x00"}]}}, "/data"),
        ({"data": {"instances": [{"_outputs": 1}]}}, "/data/instances/0/_outputs"),
        ({"data": {"instances": [1] * 1001}}, "/data/instances"),
    ):
        response = await post_structured(client, {**valid, **change})
        assert response.status_code == 422, (change, response.text)
        assert response.json()["errors"][0]["pointer"] == pointer
    assert (await post_structured(client, valid)).status_code == 202


async def test_pair_with_several_rows_makes_one_event_per_row(
    client: httpx2.AsyncClient, state: State
) -> None:
    request = {
        "inputs": [
            {"name": "age", "shape": [3, 1], "datatype": "INT32", "data": [20, 30, None]},
            {"name": "plan", "shape": [3], "datatype": "BYTES", "data": ["a", "b", "c"]},
        ]
    }
    response = {
        "outputs": [
            {"name": "churn", "shape": [3, 1], "datatype": "FP32", "data": [[0.5], [1], [0]]}
        ]
    }
    event_id = "request-17"
    await send_request(client, event_id, request)
    created = await send_response(client, event_id, response)
    pair_id = pair_id_of("models", "iris", "predictor", event_id)
    ids = [str(prediction_id) for prediction_id in prediction_ids(pair_id, 3)]
    assert (created.status_code, created.json()["prediction_ids"]) == (201, ids)
    stored = {str(event["_id"]): event for event in await stored_events(state)}
    assert [stored[prediction_id]["features"] for prediction_id in ids] == [
        {"age": 20, "plan": "a"},
        {"age": 30, "plan": "b"},
        {"age": None, "plan": "c"},
    ]
    outputs = [stored[prediction_id]["output"] for prediction_id in ids]
    assert outputs == [{"value": value} for value in (0.5, 1.0, 0.0)]
    assert {event["version"] for event in stored.values()} == {"unversioned"}
    assert (await send_request(client, event_id, request)).json()["prediction_ids"] == ids


async def test_pairs_of_canary_and_other_services_are_separate(
    client: httpx2.AsyncClient, state: State
) -> None:
    event_id = str(uuid4())
    for more in ({"Ce-Endpoint": "canary"}, {"Ce-Inferenceservicename": "tulip"}):
        await send_message(client, REQUEST_TYPE, event_id, V2_REQUEST, **more)
        response = await send_message(client, RESPONSE_TYPE, event_id, V2_RESPONSE, **more)
        assert response.status_code == 201
    stored = {event["model"]: event for event in await stored_events(state)}
    assert (stored["iris"]["role"], stored["tulip"]["role"]) == ("canary", "primary")
    assert stored["tulip"]["tags"]["model_name"] == "iris"


async def test_message_in_each_mode_and_content_type_is_the_same(
    client: httpx2.AsyncClient, state: State
) -> None:
    """KServe forwards the content type of the request, which `curl -d` sends as a form."""
    event_id, form = str(uuid4()), "application/x-www-form-urlencoded"
    headers = {"Content-Type": form}
    binary = await send_message(client, REQUEST_TYPE, event_id, V2_REQUEST, **headers)
    assert (binary.status_code, binary.json()["code"]) == (202, "waiting")
    for data, media_type in ((V2_REQUEST, "application/json"), (json.dumps(V2_REQUEST), form)):
        repeated = message_event(REQUEST_TYPE, event_id, data, datacontenttype=media_type)
        assert (await post_structured(client, repeated)).status_code == 202
    response = await post_structured(client, message_event(RESPONSE_TYPE, event_id, V2_RESPONSE))
    assert response.status_code == 201
    assert response.json()["prediction_ids"] == [prediction_id_of(event_id)]
    assert {event["_id"] for event in await stored_events(state)} == {
        UUID(prediction_id_of(event_id))
    }


async def test_message_may_be_as_large_as_a_batch(client: httpx2.AsyncClient, state: State) -> None:
    rows, columns = 1000, 100
    numbers = [number / 8 for number in range(rows * columns)]
    inputs = {"name": "x", "shape": [rows, columns], "datatype": "FP64", "data": numbers}
    outputs = {"name": "y", "shape": [rows], "datatype": "FP64", "data": numbers[:rows]}
    assert (await send_request(client, "large", {"inputs": [inputs]})).status_code == 202
    response = await send_response(client, "large", {"outputs": [outputs]})
    assert (response.status_code, len(response.json()["prediction_ids"])) == (201, rows)
    stored = await stored_events(state)
    assert sorted(event["output"]["value"] for event in stored) == numbers[:rows]
    assert {len(event["features"]) for event in stored} == {columns}
