"""The OpenAPI description of the body and the responses of CloudEvents."""

from typing import Any

from service.documents.predictions.cloudevents.envelope import BATCH, STRUCTURED
from service.documents.predictions.cloudevents.identity import SIDE_OF_TYPE
from service.documents.predictions.cloudevents.prediction_event import PREDICTION_TYPE
from service.documents.predictions.cloudevents.schemas import CloudEventRead, CloudEventsRead
from service.web.openapi import header_references, struct_content, struct_schemas
from service.web.schemas import MAX_ITEMS, TIME_PATTERN

_TEXT = {"type": "string"}
_TIME = {**_TEXT, "format": "date-time", "pattern": TIME_PATTERN}
_DATA = {
    "description": f"An Event for {PREDICTION_TYPE}, else a message of a model server: tensors of "
    "the Open Inference Protocol, or a table (V1, MLflow, Seldon, Azure ML)"
}


_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "01930d6e-7a00-7000-8000-000000000004",
    "source": "/models/fraud",
    "type": PREDICTION_TYPE,
    "time": "2026-01-05T08:00:01Z",
    "data": {
        "timestamp": "2026-01-05T08:00:00Z",
        "model": "fraud",
        "version": "7",
        "features": {"amount": 118.5, "country": "FR"},
        "output": {"label": 0, "score": 0.07},
    },
}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


SCHEMAS: dict[str, Any] = {
    **struct_schemas(CloudEventsRead),
    "CloudEvent": {
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {**_TEXT, "minLength": 1, "maxLength": 200},
            "source": {**_TEXT, "minLength": 1},
            "type": {"enum": [PREDICTION_TYPE, *SIDE_OF_TYPE]},
            "time": _TIME,
            "inferenceservicename": _TEXT,
            "namespace": _TEXT,
            "component": _TEXT,
            "endpoint": _TEXT,
            "traceparent": _TEXT,
            "requestid": _TEXT,
            "modelid": _TEXT,
            "correlationid": _TEXT,
            "modelversion": _TEXT,
            "data": _DATA,
        },
    },
    "CloudEventBatch": {
        "type": "array",
        "maxItems": MAX_ITEMS,
        "items": _ref("CloudEvent"),
    },
    "CloudEventData": {"type": ["object", "array"], **_DATA},
}


REQUEST: dict[str, Any] = {
    "parameters": [
        {
            "name": f"ce-{name}",
            "in": "header",
            "description": f"`{name}` of a CloudEvent in binary mode",
            # Without a format, because a generated client could not write a time into a header.
            "schema": {**_TEXT, "pattern": TIME_PATTERN} if name == "time" else _TEXT,
            "example": _EVENT[name],
        }
        for name in ("specversion", "id", "source", "type", "time")
    ],
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": _ref("CloudEvent"), "example": _EVENT},
            BATCH: {"schema": _ref("CloudEventBatch"), "example": [_EVENT]},
            "application/json": {"schema": _ref("CloudEventData"), "example": _EVENT["data"]},
        },
    },
}
_EITHER = {"schema": {"anyOf": [_ref("CloudEventRead"), _ref("CloudEventsRead")]}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A duplicate, or a batch without errors",
        "content": {"application/json": _EITHER},
        "headers": header_references("Location"),
    },
    201: {
        "description": "The events are durable",
        **struct_content(CloudEventRead),
        "headers": header_references("Location"),
    },
    202: {
        "description": "The message is durable and waits for its partner",
        **struct_content(CloudEventRead),
    },
    207: {
        "description": "A batch of which some events were rejected",
        **struct_content(CloudEventsRead),
    },
}
