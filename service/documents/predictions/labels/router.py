"""Addresses of labels: of one prediction, of a batch and of a stream."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from service.auth.caller import needs
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.ids import AnyId
from service.documents.predictions.ingest.body import BODY_ERRORS, BufferedBody, check_content_type
from service.documents.predictions.ingest.chunked_stream import STREAM_TYPES
from service.documents.predictions.ingest.decode import NotABatch
from service.documents.predictions.ingest.schemas import to_response
from service.documents.predictions.labels.apply_labels import apply_labels
from service.documents.predictions.labels.feedback import (
    Feedback,
    LabelNotFound,
    ObservedInTheFuture,
    TooManyRevisions,
)
from service.documents.predictions.labels.label import decode_labels
from service.documents.predictions.labels.openapi import (
    BATCH_REQUEST,
    BATCH_RESPONSES,
    STREAM_REQUEST,
    STREAM_RESPONSES,
)
from service.documents.predictions.labels.repository import Labels
from service.documents.predictions.labels.schemas import (
    FeedbackWrite,
    LabelBatchRead,
    WithdrawalQuery,
)
from service.documents.predictions.labels.stream import LabelStreamResponse
from service.documents.predictions.reading.schemas import FeedbackRead
from service.documents.retention.rules import PredictionExpired
from service.stores.mongo.client import now
from service.stores.mongo.route import MongoRoute
from service.web.conditional import Reply
from service.web.openapi import problems
from service.web.route import policy

WRITES = needs("predictions:write")
router = APIRouter(tags=["predictions"], route_class=MongoRoute)


def body_limits(max_batch_bytes: int) -> dict[str, int]:
    """Return the largest body per path, as for predictions; the stream limits itself."""
    return {"/v1/labels/batch": max_batch_bytes, "/v1/labels/stream": 0}


@router.put(
    "/predictions/{prediction_id:text}/feedback",
    response_model=FeedbackRead,
    dependencies=[WRITES],
    responses=problems(
        ObservedInTheFuture, TooManyRevisions, PredictionNotFound, PredictionExpired
    ),
)
async def feedback_put(
    prediction_id: AnyId, label: FeedbackWrite, feedback: Feedback, reply: Reply
) -> Response:
    """Label a prediction. The label may come late, be revised, or come before the event.

    410 `prediction_expired` if the event has expired, or its id is of version 7 and so old that it
    has expired by every rule. An event with another id is expected to arrive later.
    """
    return reply.updated_json(await feedback.put(prediction_id, label))


@router.delete(
    "/predictions/{prediction_id:text}/feedback",
    status_code=204,
    dependencies=[WRITES],
    responses=problems(LabelNotFound, TooManyRevisions, PredictionNotFound, PredictionExpired),
)
async def feedback_delete(
    prediction_id: AnyId, query: Annotated[WithdrawalQuery, Query()], feedback: Feedback
) -> None:
    """Withdraw the label that was observed last, or the one that the query names.

    The history keeps both, and the latest label that is left counts. Sent again it withdraws no
    other label: name an earlier one by `observed_at` and `source`.
    """
    await feedback.withdraw(prediction_id, query)


@router.post(
    "/labels/batch",
    dependencies=[WRITES],
    responses={**BATCH_RESPONSES, **problems(NotABatch, *BODY_ERRORS)},
    openapi_extra=BATCH_REQUEST,
)
@policy(own_sessions=True)
async def labels_create_batch(request: Request, labels: Labels) -> Response:
    """Label up to 1,000 predictions, with the result of labelling one after the other.

    A history is a set of observations (`observed_at`, `source`, `label`). The latest is the one
    that was observed last; of several at one moment, the last by source, then by label. Neither
    the order nor the number of deliveries, nor concurrent ones, change the history. Each label is:

    - `labelled` (201): the first of this prediction.
    - `revised` (200): new, and now the latest; the value may be the same as before.
    - `unchanged` (200): stored already, or observed before the latest, which stays. An older one is
      added to the history.
    - `withdrawn` (200): `"withdrawn": true` takes back the label that was observed last, at or
      before `observed_at`, and of this `source` and with this `label` if they are sent. The latest
      label that is left counts. Two withdrawals of one label are as good as one, and a withdrawal
      may come before its label.
    - `rejected` (422, 404, 409, 410): malformed, or its prediction belongs to none of your key's
      models, or has 1,000 other labels already, or has expired. The rest of the batch is stored.

    `pending` marks and counts stored labels whose prediction has not arrived yet; they belong to it
    once it does. A pending label is also labelled, revised or unchanged. 1 and 1.0 are the same
    label, 1 and `true` are not. A label is any JSON but null, of at most 64 KiB.
    """
    check_content_type(request, "application/json")
    state = request.state
    async with (
        BufferedBody(request, state.settings.max_batch_bytes) as body,
        state.intake_limiter.worker_slot,
    ):
        batch = LabelBatchRead.of(await apply_labels(labels, decode_labels(body, now())))
    return to_response(batch, 207 if batch.rejected else 200)


@router.post(
    "/labels/stream",
    status_code=200,
    dependencies=[WRITES],
    response_class=LabelStreamResponse,
    responses={**STREAM_RESPONSES, **problems(*BODY_ERRORS)},
    openapi_extra=STREAM_REQUEST,
)
@policy(own_sessions=True)
async def labels_stream(request: Request) -> Response:
    """Label any number of predictions, one per line; the response has a line per 500 lines.

    Codes are those of a batch; the counts are of all lines so far.
    """
    check_content_type(request, *STREAM_TYPES)
    return LabelStreamResponse()
