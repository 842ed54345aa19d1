"""One request on PostgreSQL, as repositories and use cases take it."""

from dataclasses import dataclass
from typing import Self

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.stores.sql.engine import SqlStore
from service.web.context import RequestContext
from service.web.lists.pagination import Paginator


@dataclass(frozen=True, kw_only=True)
class SqlContext(RequestContext):
    """A request, its caller, its paginator, its session and the store."""

    @property
    def session(self) -> AsyncSession:
        """The session that the route opened for this request."""
        session: AsyncSession = self.request.state.sql_session
        return session

    @property
    def store(self) -> SqlStore:
        """The store itself, for use cases that open sessions of their own: logins, exports."""
        store: SqlStore = self.request.state.sql
        return store

    @classmethod
    def of(cls, request: Request, response: Response) -> Self:
        """Return the context of a request; ``response`` gets the Link header of a page."""
        return cls(
            request=request,
            caller=request.state.caller,
            paginator=Paginator(request, response),
        )


class SqlService:
    """Base of the repositories and use cases of relational features.

    ``Annotated[UserRepository, Depends(UserRepository.from_request)]`` injects one.
    """

    def __init__(self, context: SqlContext) -> None:
        self._context = context
        self._caller, self._paginator = context.caller, context.paginator

    @classmethod
    async def from_request(cls, request: Request, response: Response) -> Self:
        return cls(SqlContext.of(request, response))

    @property
    def _session(self) -> AsyncSession:
        return self._context.session
