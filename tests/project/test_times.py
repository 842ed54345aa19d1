"""Times in requests are RFC 3339 with an offset: a number is never one."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import TypeAdapter, ValidationError

from service.documents.predictions.ingest.decode import decode_event
from service.documents.predictions.ingest.event import Event
from service.web.schemas import TIME_DETAIL, TIME_PATTERN, Time
from tests.documents.predictions.factories import make_event
from tests.project.test_search_text import filled

WRITTEN = TypeAdapter[Time](Time)
METHODS = ("get", "post", "put", "patch", "delete")


def operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in app.openapi()["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def times(document: dict[str, Any], node: Any, known: set[str]) -> Iterator[dict[str, Any]]:
    """Schemas of times in ``node`` and in what it refers to."""
    if isinstance(node, list):
        for part in node:
            yield from times(document, part, known)
    elif isinstance(node, dict):
        if node.get("format") in {"date-time", "date", "time", "duration"}:
            yield node
        name = str(node.get("$ref", "")).rpartition("/")[2]
        if name and name not in known:
            known.add(name)
            yield from times(document, document["components"]["schemas"][name], known)
        for part in node.values():
            yield from times(document, part, known)


def test_openapi_times_in_requests_have_the_pattern(app: FastAPI) -> None:
    document, known = app.openapi(), set[str]()
    found = [
        schema
        for _, _, operation in operations(app)
        for part in ("parameters", "requestBody")
        for schema in times(document, operation.get(part), known)
    ]
    assert len(found) > 30
    assert {(schema["format"], schema.get("pattern")) for schema in found} == {
        ("date-time", TIME_PATTERN)
    }


@pytest.mark.parametrize("sent", ["20261101", "1700000000.5"])
async def test_query_number_as_time_is_refused(
    app: FastAPI, module_client: httpx2.AsyncClient, sent: str
) -> None:
    asked = [
        (path, parameter["name"])
        for method, path, operation in operations(app)
        for parameter in operation.get("parameters", [])
        if method == "get" and any(times({}, parameter["schema"], set()))
    ]
    assert ("/v1/reports/sales", "from") in asked
    for path, name in asked:
        response = await module_client.get(filled(path), params={name: sent})
        assert response.status_code == 422, (path, name)
        (error,) = response.json()["errors"]
        assert error["pointer"] == f"/query/{name}"
        assert TIME_DETAIL in error["detail"]


@pytest.mark.parametrize(
    "sent",
    [
        "2026-11-01T00:00:00Z",
        "2026-11-01t00:00:00.5z",
        "2026-11-01 00:00:00+05:30",
        "2026-11-01T00:00:00-0530",
        "2026-11-01T00:00Z",
        "2026-11-01_00:00:00Z",
        "2026-11-01T00:00:00,5Z",
        "2026-11-01T00:00:00",
        "2026-11-01T24:00:00Z",
        "20261101",
        "20261101T000000Z",
        1700000000,
    ],
)
def test_times_of_events_and_of_other_bodies_are_the_same(sent: object) -> None:
    assert is_decoded(sent) == is_read(sent)


def is_read(sent: object) -> bool:
    try:
        return WRITTEN.validate_python(sent) is not None
    except ValidationError:
        return False


def is_decoded(sent: object) -> bool:
    event = make_event(timestamp=sent)
    return isinstance(decode_event(json.dumps(event).encode()), Event)


@pytest.mark.parametrize("sent", [1700000000, "20261101", "2026-11-01T00:00:00"])
async def test_bodies_number_as_time_is_refused(
    module_client: httpx2.AsyncClient, sent: object
) -> None:
    prediction_id = "01930d6e-7a00-7000-8000-000000000001"
    event = {"prediction_id": prediction_id, "model": "m", "version": "1", "features": {}}
    label = {"prediction_id": prediction_id, "label": 1, "observed_at": sent}
    key = {"name": "k", "scopes": ["posts:read"], "expires_at": sent}
    where = {"field": "created_at", "op": "gt", "value": sent}
    now = "2026-11-01T00:00:00Z"
    predictions = "/v1/predictions"
    bodies: list[tuple[str, Any, str]] = [
        (predictions, {**event, "timestamp": sent}, "/timestamp"),
        (predictions, {**event, "timestamp": now, "sent_at": sent}, "/sent_at"),
        ("/v1/api_keys", key, "/expires_at"),
        ("/v1/items/search", {"where": where}, "/where/value"),
    ]
    for path, body, pointer in bodies:
        response = await module_client.post(path, json=body)
        assert response.status_code == 422, response.text
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    labelled = await module_client.post("/v1/labels/batch", json={"items": [label]})
    (result,) = labelled.json()["results"]
    assert [error["pointer"] for error in result["errors"]] == ["/observed_at"]
    assert TIME_DETAIL in result["errors"][0]["detail"]
