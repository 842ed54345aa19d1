"""Schemas of the audit trail."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from service.web.lists.pagination import ListQuery
from service.web.lists.values import BEFORE, FROM, Several
from service.web.schemas import Moment, ResponseModel, Time

Act = Literal[
    "login",
    "login_failed",
    "token_reused",
    "token_revoked",
    "password_changed",
    "role_changed",
    "user_changed",
    "user_deleted",
    "user_restored",
    "user_erased",
    "key_created",
    "key_rotated",
    "key_revoked",
    "key_first_used",
    "project_role_changed",
]


class AuditEventRead(ResponseModel):
    """An action by ``user_id`` (with ``key_id``, if by a key) on ``subject_id``."""

    id: UUID
    act: Act
    user_id: UUID | None
    key_id: UUID | None
    subject_id: UUID | None
    address: str | None
    request_id: str
    details: dict[str, Any]
    created_at: Moment


class AuditQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    act: Act | None = Field(None, description="this act")
    act__in: Several[Act] | None = None
    user_id: UUID | None = Field(None, description="the user who acted")
    user_id__null: bool | None = Field(
        None, description="`true`: acts without a user, such as failed logins; `false`: the others"
    )
    subject_id: UUID | None = Field(None, description="the user or key that was affected")
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
