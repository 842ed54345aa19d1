"""One request on PostgreSQL, as its repositories take it."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.stores.sql.engine import SqlStore
from service.web.pagination import Paginator
from service.web.request_context import RequestContext


@dataclass(frozen=True, kw_only=True)
class SqlContext(RequestContext):
    """A request, its caller, its paginator and its session."""

    session: AsyncSession

    @property
    def store(self) -> SqlStore:
        """The store itself, for what opens sessions of its own: logins, exports."""
        store: SqlStore = self.request.state.sql
        return store

    @classmethod
    def of(cls, request: Request, response: Response) -> Self:
        """The context of a request; ``response`` gets the Link header of a page."""
        return cls(
            request=request,
            caller=request.state.caller,
            paginator=Paginator(request, response),
            session=request.state.sql_session,
        )


async def sql_context(request: Request, response: Response) -> SqlContext:
    """The dependency that all relational features share."""
    return SqlContext.of(request, response)


class SqlService:
    """Base of the repositories and use cases of relational features.

    ``Annotated[UserRepository, Depends(UserRepository.from_context)]`` injects one.
    """

    def __init__(self, context: SqlContext) -> None:
        self._context, self._session = context, context.session
        self._caller, self._paginator = context.caller, context.paginator

    @classmethod
    async def from_context(cls, context: Annotated[SqlContext, Depends(sql_context)]) -> Self:
        return cls(context)
