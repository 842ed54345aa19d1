"""Routes that follow the log."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from service.auth.caller import TICKET, InvalidTicket, ModelForbidden, needs
from service.documents.predictions.tail.follow_log import TailResponse, Tails
from service.documents.predictions.tail.inserted_events import EventIdGone
from service.documents.predictions.tail.resume_tokens import BadEventId
from service.documents.predictions.tail.schemas import TailQuery, TailTicketCreate, TailTicketRead
from service.documents.predictions.tail.tickets import SCOPE, Tickets
from service.stores.mongo.change_streams import TooManyTails
from service.web.conditional import NO_STORE
from service.web.openapi import problems
from service.web.route import Route

# A tail waits on a connection of its own, so it takes no slot of the store.
router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=Route)


@router.get(
    "/tail",
    dependencies=[needs(SCOPE), TICKET],
    status_code=200,
    response_class=TailResponse,
    responses={
        200: {
            "description": "Server-sent events: `data` is an event as in the list",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(InvalidTicket, ModelForbidden, BadEventId, EventIdGone, TooManyTails),
    },
)
async def predictions_tail(
    query: Annotated[TailQuery, Query()],
    tails: Tails,
    last_event_id: Annotated[
        str | None, Header(max_length=1000, description="The id of the last event you received.")
    ] = None,
) -> Response:
    """Stream every event from now on, or after the last one you received, in the log's order.

    Each event has an `id`. A client that reconnects with its last id misses no event and receives
    none twice. A comment with an `id` of its own is sent while there are no events. `event: end`
    gives the reason as `{"status", "code", "detail"}`; reconnect, unless the status forbids it.

    Authorize with the header, or with a ticket in the query, as a browser's `EventSource` must.
    """
    return tails.follow(query, last_event_id)


@router.post(
    "/tail/tickets",
    dependencies=[needs(SCOPE)],
    status_code=200,
    responses=problems(ModelForbidden),
)
async def predictions_create_tail_ticket(
    body: TailTicketCreate, tickets: Tickets, response: Response
) -> TailTicketRead:
    """Issue a ticket for the tail with these filters, for a browser's `EventSource`.

    It opens this tail for 60 seconds, reconnects included. An open tail goes on until its login or
    key ends, and for an hour at most. Keep the address out of logs and of links.
    """
    response.headers["Cache-Control"] = NO_STORE
    return tickets.issue(body)
