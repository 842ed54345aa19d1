"""CloudEvents that carry an event of the prediction log."""

import asyncio
from collections.abc import Sequence

import httpx2
import pytest

from service.documents.predictions.ids import to_uuid
from service.documents.predictions.ingest import writer
from service.main import State
from service.stores.mongo.client import Document, MongoCollection
from tests.documents.predictions.cloudevents.inference_server import cloud_event, post_structured
from tests.documents.predictions.factories import ids_of, make_event, stored_ids

EVENT_ID = "5b1d0f7e-7b39-4a3e-9a57-0d3c8e0f4c11"


@pytest.mark.parametrize("event_id", [EVENT_ID, "run 7/4"])
async def test_event_without_prediction_id_gets_one_from_its_cloud_event(
    client: httpx2.AsyncClient, event_id: str
) -> None:
    event = make_event()
    del event["prediction_id"]
    first = await post_structured(client, cloud_event(event, id=event_id))
    repeated = await post_structured(client, cloud_event(event, id=event_id))
    elsewhere = await post_structured(client, cloud_event(event, id=event_id, source="/other"))
    assert [response.status_code for response in (first, repeated)] == [201, 200]
    assert first.json()["prediction_ids"] == repeated.json()["prediction_ids"]
    if event_id == EVENT_ID:
        assert first.json()["prediction_ids"] == [EVENT_ID]
    else:
        assert elsewhere.status_code == 201
        assert elsewhere.json()["prediction_ids"] != first.json()["prediction_ids"]


@pytest.mark.parametrize("text", ["日本", "a\r\nSet-Cookie: x=1", "a b", "../users"])
async def test_event_with_a_text_id_has_the_location_of_its_key(
    client: httpx2.AsyncClient, text: str
) -> None:
    response = await post_structured(client, cloud_event(make_event(prediction_id=text)))
    assert (response.status_code, response.json()["prediction_ids"]) == (201, [text])
    assert response.headers["location"] == f"/v1/predictions/{to_uuid(text)}"
    assert "set-cookie" not in response.headers
    found = await client.get(response.headers["location"])
    assert found.json()["prediction_id"] == text


async def test_openapi_describes_prediction_ids_as_text(client: httpx2.AsyncClient) -> None:
    schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
    (ids,) = [schemas["CloudEventRead"]["properties"]["prediction_ids"]["items"]]
    assert (ids["type"], ids["maxLength"]) == ("string", 128)
    assert "format" not in ids


async def test_event_different_under_a_stored_id_is_a_conflict(client: httpx2.AsyncClient) -> None:
    event = make_event()
    await post_structured(client, cloud_event(event))
    response = await post_structured(client, cloud_event({**event, "version": "4"}))
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


async def test_events_concurrent_share_inserts(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A logger sends each event once, and a busy store would reject separate inserts."""
    group_sizes: list[int] = []
    insert = writer._insert

    async def counted(
        predictions: MongoCollection, documents: Sequence[Document]
    ) -> list[writer.Outcome]:
        group_sizes.append(len(documents))
        return await insert(predictions, documents)

    monkeypatch.setattr(writer, "_insert", counted)
    events = [make_event() for _ in range(64)]
    responses = await asyncio.gather(
        *[post_structured(client, cloud_event(event)) for event in events]
    )
    assert {response.status_code for response in responses} == {201}
    assert ids_of(events) == await stored_ids(state)
    assert sum(group_sizes) == 64
    assert len(group_sizes) < 16
