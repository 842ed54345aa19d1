"""Routes that log predictions."""

from fastapi import APIRouter, Request, Response

from service.auth.caller import ModelForbidden, needs
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ids import to_uuid
from service.documents.predictions.ingest.body import (
    BODY_ERRORS,
    BufferedBody,
    check_content_type,
)
from service.documents.predictions.ingest.chunked_stream import STREAM_TYPES
from service.documents.predictions.ingest.decode import EventBatch, NotABatch
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import ingest_batch, ingest_one
from service.documents.predictions.ingest.schemas import (
    BatchRead,
    IntakeResult,
    StreamLine,
    to_response,
)
from service.documents.predictions.ingest.stream import EventStreamResponse
from service.documents.predictions.ingest.writer import writer_for
from service.web.openapi import (
    header_references,
    lines_body,
    lines_content,
    problems,
    schema_reference,
    struct_body,
    struct_content,
    struct_schemas,
)
from service.web.route import Route, policy

# The writer calls the store when the body is complete; a stream does so for each chunk.
router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=Route)
WRITES = needs("predictions:write")
EVENT = {
    "prediction_id": "01930d6e-7a00-7000-8000-000000000003",
    "timestamp": "2026-01-05T08:00:00Z",
    "model": "fraud",
    "version": "7",
    "features": {"amount": 118.5, "country": "FR"},
    "output": {"label": 0, "score": 0.07},
    "latency_ms": 12.5,
}
SCHEMAS = struct_schemas(EventBatch, BatchRead, StreamLine)


def body_limits(max_batch_bytes: int) -> dict[str, int]:
    """Return the largest bodies by path; 0 is none, because a stream limits itself.

    A single event is limited by its route.
    """
    whole = ("/v1/predictions", "/v1/predictions/batch")
    return {**dict.fromkeys(whole, max_batch_bytes), "/v1/predictions/stream": 0}


@router.post(
    "",
    status_code=201,
    dependencies=[WRITES],
    responses={
        200: {
            **struct_content(IntakeResult),
            "description": "A duplicate: it was stored before",
            "headers": header_references("Location"),
        },
        201: {
            **struct_content(IntakeResult),
            "description": "The event is durable",
            "headers": header_references("Location"),
        },
        **problems(PredictionConflict, ModelForbidden, *BODY_ERRORS),
    },
    openapi_extra=struct_body(Event, example=EVENT),
)
@policy(direct=True)
async def predictions_create(request: Request) -> Response:
    """Log one event: 201 once it is durable, 200 if it was stored before."""
    check_content_type(request, "application/json")
    settings = request.state.settings
    max_bytes = max(settings.max_body_bytes, settings.max_event_bytes)
    async with BufferedBody(request, max_bytes) as body:
        result = await ingest_one(writer_for(request), body)
    location = f"{request.scope['path']}/{to_uuid(result.prediction_id)}"
    return to_response(result, result.status, {"Location": location})


@router.post(
    "/batch",
    dependencies=[WRITES],
    responses={
        200: {**struct_content(BatchRead), "description": "All are created or duplicates"},
        207: {**struct_content(BatchRead), "description": "Some are conflicts or rejected"},
        **problems(NotABatch, *BODY_ERRORS),
    },
    openapi_extra=struct_body(EventBatch, example={"items": [EVENT]}),
)
async def predictions_create_batch(request: Request) -> Response:
    """Log up to 1,000 events; each has a result of its own, in the order of the request."""
    check_content_type(request, "application/json")
    state = request.state
    async with (
        BufferedBody(request, state.settings.max_batch_bytes) as body,
        state.intake_limiter.worker_slot,
    ):
        batch = BatchRead.of(await ingest_batch(writer_for(request), body))
    return to_response(batch, 207 if batch.conflicts or batch.rejected else 200)


@router.post(
    "/stream",
    status_code=200,
    dependencies=[WRITES],
    response_class=EventStreamResponse,
    responses={
        200: lines_content(StreamLine, "One line per 500 lines of the request"),
        **problems(*BODY_ERRORS),
    },
    openapi_extra=lines_body(schema_reference(Event), EVENT),
)
async def predictions_stream(request: Request) -> Response:
    """Log any number of events, one per line; the response gets a line after every 500.

    Read the response while you send: the connection is cut if you read nothing for a minute.
    """
    check_content_type(request, *STREAM_TYPES)
    return EventStreamResponse()
