"""Messages of Seldon's logger and Azure ML's data collector: joined, named, logged."""

import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.documents.predictions.cloudevents.attributes import event_from
from service.documents.predictions.cloudevents.identity import identify, pair_id_of
from service.main import State
from tests.documents.predictions.cloudevents.inference_server import (
    PATH,
    cloud_event,
    post_events,
    post_structured,
)
from tests.documents.predictions.factories import stored_events

WORKSPACE = (
    "/subscriptions/1/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
)
DEPLOYMENT = f"{WORKSPACE}/onlineEndpoints/drugs/deployments/blue"
CORRELATION = "3711655d-b04c-4aa2-a6c4-6a90cbfcb73f"


def collected(kind: str, data: Any, **attributes: Any) -> dict[str, Any]:
    """Return a line of the collector, which has a new id each time."""
    fields = {
        "type": f"azureml.inference.{kind}",
        "source": DEPLOYMENT,
        "time": "2026-11-20T12:00:00Z",
        "datacontenttype": "application/json",
        "correlationid": CORRELATION,
        "xrequestid": CORRELATION,
        "modelversion": "3",
        "collectdatatype": "pandas.core.frame.DataFrame",
        "agent": "azureml-ai-monitoring/1.0.0",
        "contentrange": "bytes 0-116/117",
    }
    return cloud_event(data, **(fields | attributes))


async def test_azure_inputs_and_outputs_are_joined_by_correlation(
    client: httpx2.AsyncClient, state: State
) -> None:
    inputs = [{"age": 43, "bmi": 27.5}, {"age": 21, "bmi": None}]
    lines = [collected("model_inputs", inputs), collected("model_outputs", [{"0": 1}, {"0": 0}])]
    results = (await post_events(client, lines)).json()["results"]
    assert [result["status"] for result in results] == [201, 201]
    events = sorted(await stored_events(state), key=lambda event: event["features"]["age"])
    assert [event["features"] for event in events] == inputs[::-1]
    assert [event["output"] for event in events] == [{"label": 0}, {"label": 1}]
    (event, _) = events
    assert (event["model"], event["version"], event["request_id"]) == ("drugs", "3", CORRELATION)
    assert event["tags"] == {"namespace": "w", "component": "blue"}


async def test_azure_payloads_are_read_and_a_blob_is_refused(
    client: httpx2.AsyncClient, state: State
) -> None:
    request = collected("request", {"data": [[1, 2], [3, 4]]}, modelversion="")
    assert (await post_structured(client, request)).status_code == 202
    response = collected("response", [11055.5, 4503.25], modelversion="")
    assert (await post_structured(client, response)).status_code == 201
    events = await stored_events(state)
    assert sorted(event["output"]["value"] for event in events) == [4503.25, 11055.5]
    assert {event["version"] for event in events} == {"unversioned"}
    blob = collected("request", "https://x.example/1", datainblob="true", correlationid="8")
    answer = (await post_structured(client, blob)).json()
    assert [error["code"] for error in answer["errors"]] == ["data_in_blob"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ("w", "drugs", "blue")),
        ({"source": DEPLOYMENT.lower()}, ("w", "drugs", "blue")),
        ({"source": "/onlineEndpoints/drugs"}, ("", "drugs", "")),
        ({"source": "/x", "inferenceservicename": "mine"}, ("", "mine", "")),
        ({"inferenceservicename": "mine"}, ("w", "mine", "blue")),
    ],
)
def test_azure_source_names_the_model(changes: Any, names: tuple[str, str, str]) -> None:
    attributes = {**collected("inputs", None), **changes}
    del attributes["data"]
    found = identify(event_from(attributes, b""))
    assert found.violation is None
    assert found.pair_id == pair_id_of(*names, CORRELATION)


def test_azure_source_without_an_endpoint_is_a_violation() -> None:
    attributes = collected("inputs", None, source="/elsewhere")
    del attributes["data"]
    violation = identify(event_from(attributes, b"")).violation
    assert violation is not None
    assert violation.errors[0]["pointer"] == "/inferenceservicename"


async def test_seldon_messages_are_joined_by_request_id(
    client: httpx2.AsyncClient, state: State
) -> None:
    def headers(side: str) -> dict[str, str]:
        return {
            "Ce-Specversion": "1.0",
            "Ce-Id": str(uuid4()),
            "Ce-Source": "http://:8000/",
            "Ce-Type": f"io.seldon.serving.inference.{side}",
            "Ce-Time": "2022-08-16T22:38:13.447502807Z",
            "Ce-Inferenceservicename": "model-test",
            "Ce-Modelid": "classifier",
            "Ce-Namespace": "ml",
            "Ce-Endpoint": "predictor",
            "Ce-Requestid": "12b0d447",
            "Content-Type": "application/json",
        }

    request = {"data": {"names": ["a", "b"], "ndarray": [[2, 1.5]]}}
    response = {"data": {"names": ["t:0", "t:1"], "ndarray": [[0.25, 0.75]]}, "meta": {}}
    for side, data, status in (("request", request, 202), ("response", response, 201)):
        sent = await client.post(PATH, content=json.dumps(data), headers=headers(side))
        assert sent.status_code == status, sent.text
    (event,) = await stored_events(state)
    assert event["_id"] == pair_id_of("ml", "model-test", "classifier", "12b0d447")
    assert event["features"] == {"a": 2, "b": 1.5}
    assert event["output"] == {"scores": {"t:0": 0.25, "t:1": 0.75}}
    assert event["model"] == "model-test"
