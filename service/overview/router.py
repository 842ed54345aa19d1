"""Routes over both stores."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.auth.caller import needs
from service.overview.schemas import ServedModelDetail, ServedModelPage, ServedModelQuery
from service.overview.served_models import ModelNotFound, Models
from service.web.openapi import problems
from service.web.route import Route
from service.web.schemas import ExactText

router = APIRouter(prefix="/models", tags=["models"], route_class=Route)
READS = needs("models:read")
Name = Annotated[ExactText, Path(min_length=1, max_length=300)]


@router.get("", dependencies=[READS], responses=problems())
async def models_list(
    query: Annotated[ServedModelQuery, Query()], models: Models
) -> ServedModelPage:
    """List the models that are registered, and those that the prediction log has seen.

    A version has the events that name its number or one of its aliases. `parts` shows whether a
    store is down, which leaves its part out.
    """
    return await models.list(query)


@router.get("/{name:text}", dependencies=[READS], responses=problems(ModelNotFound))
async def models_get(name: Name, models: Models) -> ServedModelDetail:
    """Return one model with its versions and their events."""
    return await models.get(name)
