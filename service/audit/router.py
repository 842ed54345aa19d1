"""Addresses of the audit trail."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.access.caller import needs
from service.audit.repository import Audit
from service.audit.schemas import AuditEventRead, AuditQuery
from service.openapi import problems
from service.paging import Page
from service.sql_route import SqlRoute

router = APIRouter(prefix="/audit_events", tags=["access"], route_class=SqlRoute)


@router.get("", dependencies=[needs("audit:read")], responses=problems())
async def audit_events_list(
    query: Annotated[AuditQuery, Query()], audit: Audit
) -> Page[AuditEventRead]:
    """Acts that matter for security, newest first."""
    return await audit.list(query)
