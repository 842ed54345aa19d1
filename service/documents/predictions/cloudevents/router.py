"""Addresses of CloudEvents, and of the pairs that wait for a message."""

from contextlib import nullcontext
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.auth.caller import ModelForbidden, needs
from service.documents.predictions.cloudevents.attributes import CloudEvent, NotACloudEvent
from service.documents.predictions.cloudevents.envelope import (
    NotACloudEventBatch,
    read_cloud_events,
)
from service.documents.predictions.cloudevents.ingest_cloudevents import CloudEvents
from service.documents.predictions.cloudevents.openapi import REQUEST, RESPONSES
from service.documents.predictions.cloudevents.pairing import LARGE_BYTES
from service.documents.predictions.cloudevents.pending import InvalidPair, MessageConflict
from service.documents.predictions.cloudevents.repository import PendingPairs
from service.documents.predictions.cloudevents.responses import batch_response, event_response
from service.documents.predictions.cloudevents.schemas import HalfRead, PendingPairQuery
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.body import BODY_ERRORS, BufferedBody
from service.stores.mongo.route import MongoRoute
from service.web.openapi import problems
from service.web.pagination import Page
from service.web.route import policy


def body_limits(max_batch_bytes: int) -> dict[str, int]:
    """Return the largest body per path: one event may hold a tensor as large as a batch."""
    return {"/v1/predictions/cloudevents": max_batch_bytes}


router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=MongoRoute)


@router.post(
    "/cloudevents",
    status_code=201,
    dependencies=[needs("predictions:write")],
    responses={
        **RESPONSES,
        **problems(
            PredictionConflict, MessageConflict, ModelForbidden, NotACloudEvent,
            NotACloudEventBatch, InvalidPair, *BODY_ERRORS,
        ),
    },
    openapi_extra=REQUEST,
)  # fmt: skip
@policy(own_sessions=True)
async def predictions_create_cloudevents(request: Request, events: CloudEvents) -> Response:
    """Log CloudEvents 1.0: structured, batched, or binary (ce- headers, the body is the data).

    The data of `org.polystore.prediction` is an event; its prediction_id may be left out. Events of
    types `org.kubeflow.serving.inference.request` and `…response` (KServe's logger) with one id
    become one event per row. The first of them is answered with 202.
    """
    state = request.state
    async with (
        BufferedBody(request, state.settings.max_batch_bytes) as body,
        nullcontext() if len(body) < LARGE_BYTES else state.intake_limiter.worker_slot,
    ):
        sent = read_cloud_events(request.headers, body)
        if isinstance(sent, CloudEvent):
            return event_response(await events.ingest_one(sent))
        return batch_response(await events.ingest_batch(sent))


@router.get("/halves", dependencies=[needs("predictions:read")], responses=problems(ModelForbidden))
async def prediction_halves_list(
    query: Annotated[PendingPairQuery, Query()], pairs: PendingPairs
) -> Page[HalfRead]:
    """List requests and responses without a partner, and pairs that make no event."""
    return await pairs.list(query)
