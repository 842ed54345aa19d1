"""Addresses of the intake for CloudEvents, and of the halves that wait."""

from contextlib import nullcontext
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Struct

from service.auth.caller import needs
from service.core.errors import FieldError, ServiceError
from service.documents.predictions.cloudevents.envelope import (
    BATCH,
    STRUCTURED,
    NotACloudEvent,
    NotACloudEventBatch,
    kind_of,
    read_batch,
    read_binary,
    read_structured,
)
from service.documents.predictions.cloudevents.ingest_cloudevents import (
    MUCH,
    PREDICTION,
    CloudEvents,
    Taken,
    Told,
)
from service.documents.predictions.cloudevents.pairing import SIDES
from service.documents.predictions.cloudevents.pending import HalfConflict, Halves, PairRefused
from service.documents.predictions.cloudevents.schemas import (
    CloudEventRead,
    CloudEventsRead,
    HalfQuery,
    HalfRead,
)
from service.documents.predictions.errors import ModelForbidden, PredictionConflict
from service.documents.predictions.ingest.body import BODY_ERRORS, BufferedBody
from service.stores.mongo.route import MongoRoute
from service.web.openapi import problems
from service.web.pagination import Page
from service.web.route import Route

PATH = "/predictions/cloudevents"
_DATA = {"description": f"{PREDICTION}: an Event; the others: Open Inference Protocol, or V1"}
SCHEMAS: dict[str, Any] = {
    "CloudEvent": {
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "minLength": 1, "maxLength": 200},
            "source": {"type": "string", "minLength": 1},
            "type": {"enum": [PREDICTION, *SIDES]},
            "time": {"type": "string", "format": "date-time"},
            "inferenceservicename": {"type": "string"},
            "namespace": {"type": "string"},
            "component": {"type": "string"},
            "endpoint": {"type": "string"},
            "traceparent": {"type": "string"},
            "data": _DATA,
        },
    },
    "CloudEventBatch": {
        "type": "array",
        "maxItems": 1000,
        "items": {"$ref": "#/components/schemas/CloudEvent"},
    },
    "CloudEventData": {"type": "object", **_DATA},
}
_BODIES = {
    STRUCTURED: "CloudEvent",
    BATCH: "CloudEventBatch",
    "application/json": "CloudEventData",
}


def _header(name: str) -> dict[str, Any]:
    return {"name": f"ce-{name}", "in": "header", "schema": {"type": "string"}}


_TAKES = {
    "parameters": [_header(name) for name in ("specversion", "id", "source", "type", "time")],
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"$ref": f"#/components/schemas/{name}"}}
            for kind, name in _BODIES.items()
        },
    },
}


class _Result(Struct, omit_defaults=True):
    """See :class:`CloudEventRead`."""

    id: str | None
    status: int
    code: str
    errors: list[FieldError] = []


class _Results(Struct):
    """See :class:`CloudEventsRead`."""

    created: int
    duplicates: int
    waiting: int
    rejected: int
    results: list[Taken | _Result]


def body_limits(max_batch_bytes: int) -> dict[str, int]:
    """What the outermost layer lets in: a tensor is a batch."""
    return {f"/v1{PATH}": max_batch_bytes}


intake_router = APIRouter(prefix=PATH, tags=["predictions"], route_class=Route)
halves_router = APIRouter(
    prefix="/predictions/halves", tags=["predictions"], route_class=MongoRoute
)


@intake_router.post(
    "",
    status_code=201,
    dependencies=[needs("predictions:write")],
    responses={
        200: {"model": CloudEventRead | CloudEventsRead, "description": "A duplicate; a batch"},
        201: {"model": CloudEventRead},
        202: {"model": CloudEventRead, "description": "A half, kept until its partner comes"},
        207: {"model": CloudEventsRead, "description": "A batch of which some were refused"},
        **problems(
            PredictionConflict, HalfConflict, ModelForbidden, NotACloudEvent, NotACloudEventBatch,
            PairRefused, *BODY_ERRORS,
        ),
    },
    openapi_extra=_TAKES,
)  # fmt: skip
async def predictions_create_cloudevents(request: Request, events: CloudEvents) -> Response:
    """Logs CloudEvents 1.0: structured, batched, or binary (ce- headers, the body is the data).

    Of type `org.polystore.prediction` the data is an event; its prediction_id may be left out. Of
    types `org.kubeflow.serving.inference.request` and `…response` (KServe's logger) two halves with
    one id become an event, or one for each row; the first of them gets a 202.
    """
    state = request.state
    async with (
        BufferedBody(request, state.settings.max_batch_bytes) as body,
        nullcontext() if len(body) < MUCH else state.intake_limiter.worker_slot,
    ):
        return await _taken(request, events, body)


async def _taken(request: Request, events: CloudEvents, body: bytes) -> Response:
    kind = kind_of(request)
    if kind == BATCH:
        batch = read_batch(body)
        return _all(await events.take(batch), [getattr(each, "id", None) for each in batch])
    event = read_structured(body) if kind else read_binary(request.headers.items(), body)
    (told,) = await events.take([event])
    if isinstance(told, ServiceError):
        raise told
    response = _json(told, told.status)
    if len(told.prediction_ids) == 1:
        response.headers["Location"] = f"/v1/predictions/{told.prediction_ids[0]}"
    return response


def _all(told: list[Told], ids: list[str | None]) -> Response:
    results = [
        _Result(event_id, each.status, each.code, each.errors)
        if isinstance(each, ServiceError)
        else each
        for each, event_id in zip(told, ids, strict=True)
    ]
    codes = [each.code for each in results]
    taken = {code: codes.count(code) for code in ("created", "duplicate", "waiting")}
    rejected = len(codes) - sum(taken.values())
    answer = _Results(
        created=taken["created"],
        duplicates=taken["duplicate"],
        waiting=taken["waiting"],
        rejected=rejected,
        results=results,
    )
    return _json(answer, 207 if rejected else 200)


def _json(value: object, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


@halves_router.get("", dependencies=[needs("predictions:read")], responses=problems(ModelForbidden))
async def prediction_halves_list(
    query: Annotated[HalfQuery, Query()], halves: Halves
) -> Page[HalfRead]:
    """Requests and responses whose partner has not come, or with which they make no event."""
    return await halves.list(query)


router = APIRouter()
router.include_router(intake_router)
router.include_router(halves_router)
