"""The audit trail in PostgreSQL."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import insert, literal
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.auth.caller import Caller, address_of
from service.core.request_id import current_request_id
from service.relational.audit.schemas import Act, AuditEventRead, AuditQuery
from service.relational.audit.tables import AuditEvent
from service.stores.sql.bulk import insert_missing
from service.stores.sql.context import SqlService
from service.stores.sql.lists.listing import SqlListing, projection
from service.web.lists.pagination import Page

EVENTS = SqlListing(
    AuditEvent,
    AuditQuery,
    projection(AuditEvent, AuditEventRead),
    schema=AuditEventRead,
    filters={
        "act": AuditEvent.act,
        "user_id": AuditEvent.user_id,
        "subject_id": AuditEvent.subject_id,
        "created_at": AuditEvent.created_at,
    },
)


class AuditTrail:
    """Write entries, each in the transaction of the act."""

    def __init__(self, request: Request, caller: Caller) -> None:
        self._address, self._caller = address_of(request), caller

    async def note(
        self,
        session: AsyncSession,
        act: Act,
        *,
        subject_id: UUID | None = None,
        by: Caller | None = None,
        details: Mapping[str, Any] | None = None,
        with_address: bool = True,
    ) -> None:
        """Write one entry; ``by`` is who acted, if the request has no caller yet."""
        entry = {**self._entry(act, by or self._caller, details), "subject_id": subject_id}
        if not with_address:
            entry["address"] = None
        await session.execute(insert(AuditEvent).values(**entry))

    async def note_all(
        self,
        session: AsyncSession,
        act: Act,
        subject_ids: Iterable[UUID],
        details: Mapping[str, Any],
    ) -> None:
        """Write an entry for each subject, in one statement."""
        rows = [{"id": uuid7(), "subject_id": subject_id} for subject_id in subject_ids]
        columns = AuditEvent.__table__.c
        entry = {
            name: literal(value, columns[name].type)
            for name, value in self._entry(act, self._caller, details).items()
        }
        if rows:
            await session.execute(insert_missing(AuditEvent, rows, ordered_by="id", **entry))

    def _entry(self, act: Act, caller: Caller, details: Mapping[str, Any] | None) -> dict[str, Any]:
        return {
            "act": act,
            "user_id": caller.user_id,
            "key_id": caller.key_id,
            "address": self._address or None,
            "request_id": current_request_id(),
            "details": dict(details or {}),
        }


async def note_command(
    session: AsyncSession, act: Act, *, subject_id: UUID, user_id: UUID | None = None
) -> None:
    """Write the entry of a command of the operator, which has no request and no address."""
    entry = {"act": act, "user_id": user_id, "subject_id": subject_id, "request_id": ""}
    await session.execute(insert(AuditEvent).values(**entry, details={"by": "polystore"}))


class AuditRepository(SqlService):
    """Read the trail; the scope ``audit:read`` decides who may."""

    async def list(self, query: AuditQuery) -> Page[AuditEventRead]:
        read = AuditEventRead.model_validate
        return await EVENTS.page(self._session, query, self._paginator, read)


AuditEvents = Annotated[AuditRepository, Depends(AuditRepository.from_request)]
