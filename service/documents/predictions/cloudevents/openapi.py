"""The OpenAPI description of the body and the responses of CloudEvents."""

from typing import Any

import msgspec

from service.documents.predictions.cloudevents.envelope import BATCH, STRUCTURED
from service.documents.predictions.cloudevents.pairing import SIDE_OF_TYPE
from service.documents.predictions.cloudevents.prediction_event import PREDICTION_TYPE
from service.documents.predictions.cloudevents.schemas import CloudEventsRead
from service.web.schemas import MAX_ITEMS

_REF = "#/components/schemas/{name}"
_TEXT = {"type": "string"}
_DATA = {
    "description": f"An Event for {PREDICTION_TYPE}, else a message of the Open Inference Protocol "
    "or of V1"
}
_, _RESULTS = msgspec.json.schema_components([CloudEventsRead], ref_template=_REF)
SCHEMAS: dict[str, Any] = {
    **_RESULTS,
    "CloudEvent": {
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**_TEXT, "minLength": 1, "maxLength": 200},
            "source": {**_TEXT, "minLength": 1},
            "type": {"enum": [PREDICTION_TYPE, *SIDE_OF_TYPE]},
            "time": {**_TEXT, "format": "date-time"},
            "inferenceservicename": _TEXT,
            "namespace": _TEXT,
            "component": _TEXT,
            "endpoint": _TEXT,
            "traceparent": _TEXT,
            "data": _DATA,
        },
    },
    "CloudEventBatch": {
        "type": "array",
        "maxItems": MAX_ITEMS,
        "items": {"$ref": _REF.format(name="CloudEvent")},
    },
    "CloudEventData": {"type": "object", **_DATA},
}


def _content(media_type: str, *names: str) -> dict[str, Any]:
    refs = [{"$ref": _REF.format(name=name)} for name in names]
    return {media_type: {"schema": refs[0] if len(refs) == 1 else {"anyOf": refs}}}


def _result(description: str, *names: str) -> dict[str, Any]:
    return {"description": description, "content": _content("application/json", *names)}


REQUEST: dict[str, Any] = {
    "parameters": [
        {"name": f"ce-{name}", "in": "header", "schema": _TEXT}
        for name in ("specversion", "id", "source", "type", "time")
    ],
    "requestBody": {
        "required": True,
        "content": {
            **_content(STRUCTURED, "CloudEvent"),
            **_content(BATCH, "CloudEventBatch"),
            **_content("application/json", "CloudEventData"),
        },
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: _result("A duplicate, or a batch without errors", "CloudEventRead", "CloudEventsRead"),
    201: _result("The events are durable", "CloudEventRead"),
    202: _result("The message is durable and waits for its partner", "CloudEventRead"),
    207: _result("A batch of which some events were rejected", "CloudEventsRead"),
}
