"""One request on MongoDB, as its repositories take it."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request, Response

from service.stores.mongo.client import Database, MongoStore
from service.web.pagination import Paginator
from service.web.request_context import RequestContext


@dataclass(frozen=True, kw_only=True)
class MongoContext(RequestContext):
    """A request, its caller, its paginator and the database."""

    database: Database

    @property
    def store(self) -> MongoStore:
        """The store itself, for what opens calls of its own: intakes, streams."""
        store: MongoStore = self.request.state.mongo
        return store

    @classmethod
    def of(cls, request: Request, response: Response) -> Self:
        """The context of a request; ``response`` gets the Link header of a page."""
        return cls(
            request=request,
            caller=request.state.caller,
            paginator=Paginator(request, response),
            database=request.state.mongo.database,
        )


async def mongo_context(request: Request, response: Response) -> MongoContext:
    """The dependency that all document features share."""
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
