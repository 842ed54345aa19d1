"""Tickets: a short-lived credential for one tail, in the address that an EventSource opens.

An EventSource sends no Authorization, and an address may be kept in a history or a proxy's log. A
ticket therefore opens one tail for a minute, and nothing else. It is no single use: an EventSource
connects again to the same address by itself, and several processes would have to share what was
used. Nothing is stored.
"""

import hashlib
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote_plus, urlencode

from fastapi import Depends, Request

from service.auth.access_tokens import Claims, Keyring
from service.auth.caller import InvalidTicket, Unauthenticated
from service.core.errors import Refused, field_error
from service.documents.predictions.reading.schemas import PredictionFilters
from service.documents.predictions.tail.schemas import TailTicketCreate, TailTicketRead
from service.stores.mongo.context import MongoService
from service.web.middleware.body_limit import MAX_ADDRESS_BYTES

SCOPE = "predictions:read"
LIFETIME = timedelta(seconds=60)  # long enough for a page to open it, and for a first reconnect
TAIL_SECONDS = 3600.0  # of an open tail, because others may have read its address in the minute
MAX_URL_BYTES = MAX_ADDRESS_BYTES - len("&after=") - 1000  # an id has at most 1,000


def require_opens(request: Request, query: PredictionFilters) -> None:
    """Check that the ticket of a request, if it has one, was issued for this tail.

    Raises:
        InvalidTicket: it is for another address or other filters.
    """
    opens = getattr(request.state, "ticket_opens", None)
    if opens is not None and opens != _opens(request.url.path, query):
        raise InvalidTicket


def longest_tail(request: Request) -> float:
    """Return the seconds after which the tail of a request ends: without a ticket never."""
    return math.inf if getattr(request.state, "ticket_opens", None) is None else TAIL_SECONDS


def _opens(path: str, query: PredictionFilters) -> str:
    """Return what a ticket for this tail opens, as 64 characters however long the filters are."""
    text = json.dumps([path, query.filters()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class TailTickets(MongoService):
    def issue(self, body: TailTicketCreate) -> TailTicketRead:
        """Return a ticket of the caller for the tail with these filters.

        Raises:
            Unauthenticated: the caller is no user.
            ModelForbidden: the caller's key is bound to other models.
            Refused: the filters are longer than an address may be.
        """
        caller, request = self._caller, self._context.request
        if caller.user_id is None:
            raise Unauthenticated
        caller.require_model(body.model)
        keyring: Keyring = request.state.keyring
        path = request.url.path.removesuffix("/tickets")
        claims = Claims(
            caller.user_id, frozenset((SCOPE,)), caller.login_id, caller.key_id, caller.secret_id
        )
        ticket = keyring.sign_ticket(claims, LIFETIME, _opens(path, body))
        url = f"{path}?{urlencode({**body.filters(), 'ticket': ticket})}"
        if len(url) > MAX_URL_BYTES:
            raise _too_long(body.filters())
        return TailTicketRead(
            ticket=ticket,
            url=url,
            expires_at=(datetime.now(UTC) + LIFETIME).replace(microsecond=0),  # as in the ticket
        )


def _too_long(filters: dict[str, str]) -> Refused:
    longest = max(filters, key=lambda name: len(quote_plus(filters[name])))
    detail = f"Shorten it: the address of the tail may have {MAX_URL_BYTES} bytes in all."
    error = field_error(f"/{longest}", "too_long", detail)
    return Refused("The filters do not fit into an address.", errors=[error])


Tickets = Annotated[TailTickets, Depends(TailTickets.from_request)]
