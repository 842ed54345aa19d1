"""The OpenAPI description of the bodies and responses of labels."""

from typing import Any

from service.documents.predictions.labels.label import Label, LabelBatch
from service.documents.predictions.labels.schemas import LabelBatchRead, LabelLine
from service.web.openapi import (
    lines_body,
    lines_content,
    schema_reference,
    struct_body,
    struct_content,
    struct_schemas,
)

SCHEMAS = struct_schemas(LabelBatch, LabelBatchRead, LabelLine)
_JSON = "application/json"
_LABEL = {
    "prediction_id": "01930d6e-7a00-7000-8000-000000000001",
    "label": 0,
    "observed_at": "2026-11-21T08:00:00Z",
    "source": "billing",
}
_COUNTS = {"labelled": 1, "revised": 0, "unchanged": 0, "withdrawn": 0, "pending": 1, "rejected": 0}
_RESULT = {
    "prediction_id": _LABEL["prediction_id"],
    "status": 201,
    "code": "labelled",
    "pending": True,
}


BATCH_REQUEST = struct_body(LabelBatch, _JSON, {"items": [_LABEL]})
BATCH_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "No label was rejected",
        **struct_content(LabelBatchRead, _JSON, {**_COUNTS, "results": [_RESULT]}),
    },
    207: {"description": "Some labels were rejected", **struct_content(LabelBatchRead)},
}
STREAM_REQUEST = lines_body(schema_reference(Label), _LABEL)
STREAM_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: lines_content(LabelLine, "One line per 500 lines of the request")
}
