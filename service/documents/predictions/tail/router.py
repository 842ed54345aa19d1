"""Address of the log as it happens."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from service.auth.caller import needs
from service.documents.predictions.errors import ModelForbidden
from service.documents.predictions.tail.follow_log import BadEventId, EventIdGone, TailAnswer, Tails
from service.documents.predictions.tail.schemas import TailQuery
from service.stores.mongo.change_streams import TooManyTails
from service.web.openapi import problems
from service.web.route import Route

# It waits over connections of its own, so that its request has no place among the others.
router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=Route)


@router.get(
    "/tail",
    dependencies=[needs("predictions:read")],
    status_code=200,
    response_class=TailAnswer,
    responses={
        200: {
            "description": "Server-sent events: `data` is an event as in the list",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(ModelForbidden, BadEventId, EventIdGone, TooManyTails),
    },
)
async def predictions_tail(
    query: Annotated[TailQuery, Query()],
    tails: Tails,
    last_event_id: Annotated[
        str | None, Header(max_length=1000, description="The id of the last event you have.")
    ] = None,
) -> Response:
    """Every event from now on, or after the one you had last, in the order of the log.

    Each has an `id`; who comes back with the last one misses nothing and gets nothing twice. While
    nothing happens a comment comes, with an `id` of its own. `event: end` says why it ends, and its
    `data` is `{"status", "code", "detail"}`; come back, unless the status says otherwise.
    """
    return tails.answer(query, last_event_id)
