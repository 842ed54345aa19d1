"""Table of logins."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.relational.users.tables import User
from service.stores.sql.base import VersionedTable


class Login(VersionedTable):
    """A login of a user, with the hash of its valid refresh token."""

    __tablename__ = "logins"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", name="fk_logins_user_id", ondelete="CASCADE")
    )
    token_hash: Mapped[bytes]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(40)))
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    user: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        Index("ix_logins_user_id", "user_id"),
        Index("ix_logins_expires_at", "expires_at"),
    )
