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

router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=MongoRoute)


@router.put(
    "/{prediction_id}/feedback",
    dependencies=[needs("predictions:write")],
    responses=problems(TooManyRevisions, PredictionNotFound),
)
async def feedback_put(
    prediction_id: UUID, told: FeedbackWrite, feedback: Feedback, reply: Reply
) -> FeedbackRead:
    """Says what turned out to be true. It may come late, be revised, or come before the event."""
    return reply.changed(await feedback.put(prediction_id, told))
