"""Addresses of labels, many at once; that of a single one is the feedback's."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from service.auth.caller import needs
from service.documents.predictions.ingest.body import BODY_ERRORS, BufferedBody, check_content_type
from service.documents.predictions.ingest.decode import NotABatch
from service.documents.predictions.labels.apply_labels import LabelBatchResult, label_all
from service.documents.predictions.labels.label import LabelBatch, decode_labels
from service.documents.predictions.labels.repository import Labels
from service.documents.predictions.labels.schemas import LabelBatchRead, LabelLine
from service.documents.predictions.labels.stream import LabelStreamAnswer
from service.web.ndjson import NDJSON
from service.web.openapi import problems
from service.web.route import Route

router = APIRouter(prefix="/labels", tags=["predictions"], route_class=Route)
WRITES = needs("predictions:write")
_, LABEL_SCHEMAS = msgspec.json.schema_components(
    [LabelBatch], ref_template="#/components/schemas/{name}"
)
_LABEL = {
    "prediction_id": "01930d6e-7a00-7000-8000-000000000001",
    "label": 0,
    "observed_at": "2026-11-21T08:00:00Z",
    "source": "billing",
}
_COUNTS = {"labelled": 1, "revised": 0, "unchanged": 0, "pending": 1, "rejected": 0}
_RESULT = {
    "prediction_id": _LABEL["prediction_id"],
    "status": 201,
    "code": "labelled",
    "pending": True,
}


def body_limits(max_batch_bytes: int) -> dict[str, int]:
    """What the outermost layer lets in, as for predictions."""
    return {"/v1/labels/batch": max_batch_bytes, "/v1/labels/stream": 0}


def _takes(name: str, media_type: str, example: object) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    content = {media_type: {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _shows(media_type: str, example: object) -> dict[str, Any]:
    return {"content": {media_type: {"example": example}}}


@router.post(
    "/batch",
    dependencies=[WRITES],
    responses={
        200: {
            "model": LabelBatchRead,
            "description": "All were taken, or were there already",
            **_shows("application/json", {**_COUNTS, "results": [_RESULT]}),
        },
        207: {"model": LabelBatchRead, "description": "Some were rejected"},
        **problems(NotABatch, *BODY_ERRORS),
    },
    openapi_extra=_takes("LabelBatch", "application/json", {"items": [_LABEL]}),
)
async def labels_create_batch(request: Request, log: Labels) -> Response:
    """Says what turned out to be true of up to 1,000 predictions, as if one after the other.

    A history is a set of observations (`observed_at`, `source`, `label`), and the latest is the one
    that was observed last; of those observed at one moment, the last by source, then by label. What
    is told in another order, twice, or by many at once ends in the same history. Of each label:

    - `labelled` (201): the first there is of this prediction.
    - `revised` (200): it was not known, and became the latest; the value may be the same as before.
    - `unchanged` (200): it was known already, or was observed before the latest and is now in the
      history behind it. The latest is what it was.
    - `rejected` (422, 404, 409, 410): it is no label, or its prediction is none of your key's
      models, or has 1,000 labels already and this is another, or has expired and is not kept any
      more. The others of the batch are taken nevertheless.

    `pending` marks and counts those that were taken of predictions that have not arrived yet; they
    stand there once these do. A label counts as `pending` beside being labelled, revised or
    unchanged. 1 and 1.0 are the same label, 1 and `true` are not.
    """
    check_content_type(request, "application/json")
    state = request.state
    async with (
        BufferedBody(request, state.settings.max_batch_bytes) as body,
        state.intake_limiter.worker_slot,
    ):
        told = LabelBatchResult.of(await label_all(log, decode_labels(body)))
    status = 207 if told.rejected else 200
    return Response(msgspec.json.encode(told), status, media_type="application/json")


@router.post(
    "/stream",
    status_code=200,
    dependencies=[WRITES],
    response_class=LabelStreamAnswer,
    responses={
        200: {
            "model": LabelLine,
            **_shows(NDJSON, {"committed_through": 1, **_COUNTS, "errors": []}),
        },
        **problems(*BODY_ERRORS),
    },
    openapi_extra=_takes("Label", NDJSON, _LABEL),
)
async def labels_stream(request: Request) -> Response:
    """Takes labels, one a line, as many as you like; every 500 lines the answer gets a line.

    What counts as what is as in a batch; the counts are of all lines so far.
    """
    check_content_type(request, NDJSON, "application/jsonl", "application/ndjson")
    return LabelStreamAnswer()
