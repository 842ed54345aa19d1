"""Context of one request on MongoDB, and the base class of repositories and use cases."""

from dataclasses import dataclass
from typing import Self

from fastapi import Request, Response

from service.stores.mongo.client import Database, MongoStore
from service.web.context import RequestContext
from service.web.lists.pagination import Paginator


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


class MongoService:
    """Base of the repositories and use cases of document features.

    ``Annotated[ItemRepository, Depends(ItemRepository.from_request)]`` injects one.
    """

    def __init__(self, context: MongoContext) -> None:
        self._context, self._database = context, context.database
        self._caller, self._paginator = context.caller, context.paginator

    @classmethod
    async def from_request(cls, request: Request, response: Response) -> Self:
        return cls(MongoContext.of(request, response))
