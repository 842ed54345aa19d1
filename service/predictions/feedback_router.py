"""Addresses of feedback."""

from uuid import UUID

from fastapi import APIRouter

from service.access.caller import needs
from service.answers import Reply
from service.mongo_route import MongoRoute
from service.openapi import problems
from service.predictions.feedback import Feedback, TooManyRevisions
from service.predictions.repository import PredictionNotFound
from service.predictions.schemas import FeedbackRead, FeedbackWrite
from service.retention.rules import PredictionExpired

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
    return reply.changed(await feedback.put(prediction_id, told))
