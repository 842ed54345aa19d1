"""Routes that read predictions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.auth.caller import needs
from service.documents.predictions.errors import ModelForbidden, PredictionNotFound
from service.documents.predictions.reading.repository import Predictions
from service.documents.predictions.reading.schemas import (
    PredictionDetail,
    PredictionQuery,
    PredictionRead,
)
from service.stores.mongo.route import MongoRoute
from service.web.openapi import problems
from service.web.pagination import Page

router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=MongoRoute)
READS = needs("predictions:read")


@router.get(
    "",
    response_model=Page[PredictionRead],
    dependencies=[READS],
    responses=problems(ModelForbidden),
)
async def predictions_list(
    query: Annotated[PredictionQuery, Query()], predictions: Predictions
) -> Response:
    """List predictions, the latest `timestamp` first."""
    return await predictions.list(query)


@router.get("/{prediction_id}", dependencies=[READS], responses=problems(PredictionNotFound))
async def predictions_get(prediction_id: UUID, predictions: Predictions) -> PredictionDetail:
    """Return one prediction, with its labels if there are any."""
    return await predictions.get(prediction_id)
