"""Routes that read predictions."""

from fastapi import APIRouter, Request, Response

from service.auth.caller import ModelForbidden, needs
from service.documents.predictions.errors import PredictionNotFound
from service.documents.predictions.ids import PredictionKey
from service.documents.predictions.reading.arrival import HEADER_DOC
from service.documents.predictions.reading.repository import PredictionRepository, Predictions
from service.documents.predictions.reading.schemas import (
    PredictionDetail,
    PredictionItem,
    PredictionQuery,
)
from service.stores.mongo.context import MongoContext
from service.stores.mongo.route import MongoRoute
from service.web.direct_route import query_parameters, read_query
from service.web.lists.pagination import Page
from service.web.openapi import problems
from service.web.route import policy

router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=MongoRoute)
READS = needs("predictions:read")


@router.get(
    "",
    response_model=Page[PredictionItem],
    dependencies=[READS],
    responses={200: {"headers": HEADER_DOC}, **problems(ModelForbidden)},
    openapi_extra=query_parameters(PredictionQuery),
)
@policy(direct=True)
async def predictions_list(request: Request) -> Response:
    """List predictions, the latest `timestamp` first.

    `sort=received_at` follows the log: no event that arrives later is before the end of a page.
    """
    query = read_query(PredictionQuery, request)
    return await PredictionRepository(MongoContext.of(request, Response())).list(query)


@router.get(
    "/{prediction_id:text}",
    response_model=PredictionDetail,
    dependencies=[READS],
    responses=problems(PredictionNotFound),
)
async def predictions_get(prediction_id: PredictionKey, predictions: Predictions) -> Response:
    """Return one prediction, with its labels if there are any."""
    return await predictions.get(prediction_id)
