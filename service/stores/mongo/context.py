"""Context of one request on MongoDB, and the base class of repositories and use cases."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request, Response

from service.stores.mongo.client import Database, MongoStore
from service.web.context import RequestContext
from service.web.pagination import Paginator


@dataclass(frozen=True, kw_only=True)
class MongoContext(RequestContext):
    """A request, its caller, its paginator and the database."""

    database: Database

    @property
    def store(self) -> MongoStore:
        """The store, for intakes and streams, which make calls of their own."""
        store: MongoStore = self.request.state.mongo
        return store

    @classmethod
    def of(cls, request: Request, response: Response) -> Self:
        """Return the context of a request; ``response`` gets the Link header of a page."""
        return cls(
            request=request,
            caller=request.state.caller,
            paginator=Paginator(request, response),
            database=request.state.mongo.database,
        )


async def mongo_context(request: Request, response: Response) -> MongoContext:
    """Return the request's context: the one dependency of all document features."""
    return MongoContext.of(request, response)


class MongoService:
    """Base of the repositories and use cases of document features.

    ``Annotated[ItemRepository, Depends(ItemRepository.from_context)]`` injects one.
    """

    def __init__(self, context: MongoContext) -> None:
        self._context, self._database = context, context.database
        self._caller, self._paginator = context.caller, context.paginator

    @classmethod
    async def from_context(cls, context: Annotated[MongoContext, Depends(mongo_context)]) -> Self:
        return cls(context)
