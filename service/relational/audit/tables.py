"""Table of the audit trail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.stores.sql.base import IdTable


class AuditEvent(IdTable):
    """A security-relevant action.

    It has no foreign keys, because an entry outlives its subject.
    """

    __tablename__ = "audit_events"

    act: Mapped[str] = mapped_column(String(40))
    user_id: Mapped[UUID | None]
    key_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    address: Mapped[str | None] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Not now(): entries about one user are in the order in which their row was locked.
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    __table_args__ = (
        Index("ix_audit_events_created_at_id", "created_at", "id"),
        Index("ix_audit_events_act", "act", "created_at", "id"),
        Index("ix_audit_events_user_id", "user_id", "created_at", "id"),
        Index("ix_audit_events_subject_id", "subject_id", "created_at", "id"),
    )
