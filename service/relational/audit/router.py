"""Routes of the audit trail."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.audit.repository import AuditEvents
from service.relational.audit.schemas import AuditEventRead, AuditQuery
from service.stores.sql.route import SqlRoute
from service.web.lists.pagination import Page
from service.web.openapi import problems

router = APIRouter(prefix="/audit_events", tags=["access"], route_class=SqlRoute)


@router.get("", dependencies=[needs("audit:read")], responses=problems())
async def audit_events_list(
    query: Annotated[AuditQuery, Query()], events: AuditEvents
) -> Page[AuditEventRead]:
    """List the acts that matter for security, newest first."""
    return await events.list(query)
