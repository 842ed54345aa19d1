"""Pending pairs as their senders look at them."""

from typing import Annotated

from fastapi import Depends

from service.documents.predictions.cloudevents.pending import WITHOUT_DATA, refusal_of
from service.documents.predictions.cloudevents.schemas import HalfRead, PendingPairQuery
from service.documents.predictions.documents import PENDING_PAIRS
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoService
from service.stores.mongo.listing import MongoListing
from service.web.lists.pagination import Page

LISTING = MongoListing(
    PENDING_PAIRS,
    PendingPairQuery,
    filters={name: name for name in ("model", "state")},
    projection=WITHOUT_DATA,
)


class PendingPairRepository(MongoService):
    """The stored pairs; a key that is bound to models reads the pairs of these models only."""

    async def list(self, query: PendingPairQuery) -> Page[HalfRead]:
        self._caller.require_model(query.model)
        return await LISTING.page(self._context, query, to_schema)


def to_schema(document: Document) -> HalfRead:
    """Return a stored pair as the response shows it."""
    return HalfRead(
        pair_id=document["_id"],
        event_id=document["event_id"],
        model=document["model"],
        state=document["state"],
        has=[side for side in ("request", "response") if side in document],
        refusal=refusal_of(document),
        received_at=document["received_at"],
        expires_at=document["expires_at"],
    )


PendingPairs = Annotated[PendingPairRepository, Depends(PendingPairRepository.from_request)]
