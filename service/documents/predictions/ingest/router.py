"""Addresses at which predictions are logged."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from service.auth.caller import needs
from service.documents.predictions.errors import ModelForbidden, PredictionConflict
from service.documents.predictions.ingest.body import BODY_ERRORS, BufferedBody, check_content_type
from service.documents.predictions.ingest.decode import NotABatch
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import BatchResult, ingest_batch, ingest_one
from service.documents.predictions.ingest.schemas import BatchRead, IntakeResult, StreamLine
from service.documents.predictions.ingest.stream import StreamAnswer
from service.documents.predictions.ingest.writer import writer_for
from service.web.ndjson import NDJSON
from service.web.openapi import problems
from service.web.route import Route

# The intakes ask the store when their body is there; the stream does for each of its commits.
router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=Route)
WRITES = needs("predictions:write")
_, EVENT_SCHEMAS = msgspec.json.schema_components(
    [Event], ref_template="#/components/schemas/{name}"
)
_EVENT = {"$ref": "#/components/schemas/Event"}
_BATCH = {
    "type": "object",
    "required": ["items"],
    "properties": {"items": {"type": "array", "items": _EVENT, "minItems": 1, "maxItems": 1000}},
}


def body_limits(max_batch_bytes: int) -> dict[str, int]:
    """What the outermost layer lets in, where it is not the usual; the stream bounds itself."""
    return {"/v1/predictions/batch": max_batch_bytes, "/v1/predictions/stream": 0}


def _takes(schema: dict[str, Any], media_type: str = "application/json") -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def _json(value: object, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


@router.post(
    "",
    status_code=201,
    dependencies=[WRITES],
    responses={
        200: {"model": IntakeResult, "description": "A duplicate: it was there already"},
        201: {"model": IntakeResult},
        **problems(PredictionConflict, ModelForbidden, *BODY_ERRORS),
    },
    openapi_extra=_takes(_EVENT),
)
async def predictions_create(request: Request) -> Response:
    """Logs one event: 201 once it is durable, 200 if it was there already."""
    check_content_type(request, "application/json")
    async with BufferedBody(request, request.state.settings.max_body_bytes) as body:
        result = await ingest_one(writer_for(request), body)
    address = f"{request.scope['path']}/{result.prediction_id}"
    return _json(result, result.status, {"Location": address})


@router.post(
    "/batch",
    dependencies=[WRITES],
    responses={
        200: {"model": BatchRead, "description": "All were created or duplicates"},
        207: {"model": BatchRead, "description": "Some were conflicts or rejected"},
        **problems(NotABatch, *BODY_ERRORS),
    },
    openapi_extra=_takes(_BATCH),
)
async def predictions_create_batch(request: Request) -> Response:
    """Logs up to 1,000 events; each has a result of its own, in the order of the request."""
    check_content_type(request, "application/json")
    state = request.state
    async with (
        BufferedBody(request, state.settings.max_batch_bytes) as body,
        state.intake_limiter.worker_slot,
    ):
        results = await ingest_batch(writer_for(request), body)
    told = BatchResult.of(results)
    return _json(told, 207 if told.conflicts or told.rejected else 200)


@router.post(
    "/stream",
    status_code=200,
    dependencies=[WRITES],
    response_class=StreamAnswer,
    responses={200: {"model": StreamLine}, **problems(*BODY_ERRORS)},
    openapi_extra=_takes(_EVENT, NDJSON),
)
async def predictions_stream(request: Request) -> Response:
    """Logs events, one a line, as many as you like; every 500 lines the answer gets a line.

    Read it while you send: whoever takes nothing of the answer for a minute is cut off.
    """
    check_content_type(request, NDJSON, "application/jsonl", "application/ndjson")
    return StreamAnswer()
