"""Addresses of feedback."""

from uuid import UUID

from fastapi import APIRouter

from service.auth.caller import needs
from service.documents.predictions.labels.feedback import Feedback, TooManyRevisions
from service.documents.predictions.reading.repository import PredictionNotFound
from service.documents.predictions.reading.schemas import FeedbackRead, FeedbackWrite
from service.documents.retention.rules import PredictionExpired
from service.stores.mongo.route import MongoRoute
from service.web.conditional import Reply
from service.web.openapi import problems

router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=MongoRoute)


@router.put(
    "/{prediction_id}/feedback",
    dependencies=[needs("predictions:write")],
    responses=problems(TooManyRevisions, PredictionNotFound, PredictionExpired),
)
async def feedback_put(
    prediction_id: UUID, told: FeedbackWrite, feedback: Feedback, reply: Reply
) -> FeedbackRead:
    """Says what turned out to be true. It may come late, be revised, or come before the event.

    410 `prediction_expired` if the event has expired, or its id is of version 7 and so old that
    it would have by any rule; of other ids that are not there the event is taken to be on its way.
    """
    return reply.updated(await feedback.put(prediction_id, told))
