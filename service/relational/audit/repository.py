"""The audit trail in PostgreSQL."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Caller, CurrentCaller, address_of
from service.core.request_id import current_request_id
from service.relational.audit.schemas import Act, AuditEventRead, AuditQuery
from service.relational.audit.tables import AuditEvent
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import Columns, filtered, sql_page
from service.web.context import provided
from service.web.pagination import Page, Paging

_COLUMNS = columns(
    AuditEvent.id, AuditEvent.act, AuditEvent.user_id, AuditEvent.key_id, AuditEvent.subject_id,
    AuditEvent.address, AuditEvent.request_id, AuditEvent.details, AuditEvent.created_at,
)  # fmt: skip
_FILTERED: Columns = {
    "act": AuditEvent.act,
    "user_id": AuditEvent.user_id,
    "subject_id": AuditEvent.subject_id,
    "created_at": AuditEvent.created_at,
}


class AuditTrail:
    """Writes entries, each in the transaction of the act."""

    def __init__(self, request: Request, caller: CurrentCaller) -> None:
        self._address, self._caller = address_of(request), caller

    async def note(
        self,
        session: AsyncSession,
        act: Act,
        *,
        subject_id: UUID | None = None,
        by: Caller | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """One entry; ``by`` is who did it, if the request's caller is not known to the gate."""
        entry = {**self._entry(act, by or self._caller, details), "subject_id": subject_id}
        await session.execute(insert(AuditEvent).values(**entry))

    async def note_all(
        self,
        session: AsyncSession,
        act: Act,
        subject_ids: Iterable[UUID],
        details: Mapping[str, Any],
    ) -> None:
        """An entry for each subject, in one statement."""
        entry = self._entry(act, self._caller, details)
        entries = [{**entry, "subject_id": subject_id} for subject_id in subject_ids]
        if entries:
            await session.execute(insert(AuditEvent), entries)

    def _entry(self, act: Act, who: Caller, details: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            "act": act,
            "user_id": who.user_id,
            "key_id": who.key_id,
            "address": self._address or None,
            "request_id": current_request_id(),
            "details": dict(details or {}),
        }


class AuditRepository:
    def __init__(self, session: SqlSession, paginator: Paging) -> None:
        self._session, self._paginator = session, paginator

    async def list(self, query: AuditQuery) -> Page[AuditEventRead]:
        statement = filtered(select(*_COLUMNS), query.filters(), _FILTERED)
        return await sql_page(
            self._session,
            statement,
            AuditEvent,
            query,
            self._paginator,
            AuditEventRead.model_validate,
        )


Trail = Annotated[AuditTrail, provided(AuditTrail)]
Audit = Annotated[AuditRepository, provided(AuditRepository)]
