"""Addresses of CloudEvents, and of the pairs that wait for a message or were refused."""

from contextlib import nullcontext
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from service.auth.caller import ModelForbidden, needs
from service.documents.predictions.cloudevents.attributes import CloudEvent, NotACloudEvent
from service.documents.predictions.cloudevents.envelope import (
    NotACloudEventBatch,
    read_cloud_events,
)
from service.documents.predictions.cloudevents.ingest_cloudevents import CloudEvents
from service.documents.predictions.cloudevents.openapi import REQUEST, RESPONSES
from service.documents.predictions.cloudevents.pairing import LARGE_BYTES, run_apart
from service.documents.predictions.cloudevents.pending import (
    InvalidPair,
    MessageConflict,
    PairNotFound,
)
from service.documents.predictions.cloudevents.replay import Replay
from service.documents.predictions.cloudevents.repository import PendingPairs
from service.documents.predictions.cloudevents.schemas import (
    CloudEventRead,
    CloudEventsRead,
    HalfRead,
    HalfReplayRead,
    HalvesReplayQuery,
    HalvesReplayRead,
    PendingPairQuery,
)
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ids import to_uuid
from service.documents.predictions.ingest.body import BODY_ERRORS, BufferedBody
from service.documents.predictions.ingest.schemas import to_response
from service.stores.mongo.route import MongoRoute
from service.web.lists.pagination import Page
from service.web.openapi import problems
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

    The data of `org.polystore.prediction` is an event; its prediction_id may be left out. Messages
    of KServe's and Seldon's loggers and of Azure ML's data collector, a request and its response,
    become one event per row. The first of them is answered with 202. One that makes no event is
    answered with an error and kept for a week; see `GET /v1/predictions/halves?state=refused`.
    """
    state = request.state
    async with (
        BufferedBody(request, state.settings.max_batch_bytes) as body,
        nullcontext() if len(body) < LARGE_BYTES else state.intake_limiter.worker_slot,
    ):
        sent = await run_apart(len(body), lambda: read_cloud_events(request.headers, body))
        if isinstance(sent, CloudEvent):
            return _event_response(await events.ingest_one(sent))
        return _batch_response(await events.ingest_batch(sent))


def _event_response(result: CloudEventRead) -> Response:
    """Return the response to one CloudEvent, with the Location of its one prediction."""
    response = to_response(result, result.status)
    if len(result.prediction_ids) == 1:
        response.headers["Location"] = f"/v1/predictions/{to_uuid(result.prediction_ids[0])}"
    return response


def _batch_response(results: CloudEventsRead) -> Response:
    """Return the response to a batch: 207 if an event was rejected, else 200."""
    return to_response(results, 207 if results.rejected else 200)


@router.get("/halves", dependencies=[needs("predictions:read")], responses=problems(ModelForbidden))
async def prediction_halves_list(
    query: Annotated[PendingPairQuery, Query()], pairs: PendingPairs
) -> Page[HalfRead]:
    """List requests and responses without a partner, and pairs and halves that make no event."""
    return await pairs.list(query)


@router.post(
    "/halves/replay",
    dependencies=[needs("predictions:write")],
    responses=problems(ModelForbidden),
)
@policy(own_sessions=True)
async def prediction_halves_replay_all(
    query: Annotated[HalvesReplayQuery, Query()], request: Request, pairs: Replay
) -> HalvesReplayRead:
    """Read refused halves again, as after an upgrade; repeat it with `after` set to `next_after`.

    It ends early after a second. Each event is logged once, however often it is replayed.
    """
    async with request.state.intake_limiter.worker_slot:
        return await pairs.replay_all(query)


@router.post(
    "/halves/{pair_id}/replay",
    dependencies=[needs("predictions:write")],
    responses=problems(PairNotFound),
)
@policy(own_sessions=True)
async def prediction_halves_replay(
    pair_id: UUID, request: Request, pairs: Replay
) -> HalfReplayRead:
    """Read a refused pair again; `refusal` is why it still makes no event."""
    async with request.state.intake_limiter.worker_slot:
        return await pairs.replay(pair_id)
