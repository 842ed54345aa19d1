"""Tickets: a short-lived credential for one tail, in the address that an EventSource opens.

An EventSource sends no Authorization, and an address may be kept in a history or a proxy's log. A
ticket therefore opens one tail for a minute, and nothing else. It is no single use: an EventSource
connects again to the same address by itself, and several processes would have to share what was
used. Nothing is stored.
"""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request

from service.auth.access_tokens import Claims, Keyring
from service.auth.caller import InvalidTicket, Unauthenticated
from service.documents.predictions.reading.schemas import PredictionFilters
from service.documents.predictions.tail.schemas import TailTicketCreate, TailTicketRead
from service.stores.mongo.context import MongoService

SCOPE = "predictions:read"
LIFETIME = timedelta(seconds=60)  # long enough for a page to open it, and for a first reconnect


def require_opens(request: Request, query: PredictionFilters) -> None:
    """Check that the ticket of a request, if it has one, was issued for this tail.

    Raises:
        InvalidTicket: it is for another address or other filters.
    """
    opens = getattr(request.state, "ticket_opens", None)
    if opens is not None and opens != _opens(request.url.path, query):
        raise InvalidTicket


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
        return TailTicketRead(
            ticket=ticket,
            url=f"{path}?{urlencode({**body.filters(), 'ticket': ticket})}",
            expires_at=(datetime.now(UTC) + LIFETIME).replace(microsecond=0),  # as in the ticket
        )


Tickets = Annotated[TailTickets, Depends(TailTickets.from_request)]
