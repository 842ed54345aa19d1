"""Table of API keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.relational.users.tables import User
from service.stores.sql.base import VersionedTable


class ApiKey(VersionedTable):
    """An API key of a user. During a rotation two secrets are valid."""

    __tablename__ = "api_keys"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", name="fk_api_keys_user_id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[bytes]
    previous_hash: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(40)))
    models: Mapped[list[str] | None] = mapped_column(ARRAY(String(200)))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("cardinality(scopes) > 0", name="scopes"),
        CheckConstraint(
            "(previous_hash IS NULL) = (previous_until IS NULL)", name="previous_has_end"
        ),
        Index("ix_api_keys_created_at_id", "created_at", "id"),
        Index("ix_api_keys_user_id", "user_id", "created_at", "id"),
    )
