"""Table of users."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, String, func, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from service.stores.sql.base import Followed, VersionedTable, search_vector

# A user without a name or an age is sorted as these, before all others.
NO_TEXT, NO_AGE = literal_column("''", String), literal_column("'-1'::smallint", SmallInteger)
# The owner of what is kept of erased users. Its migration makes it; triggers keep it deleted.
TOMBSTONE_ID = UUID("00000000-0000-7000-8000-ffffffffffff")


class User(Followed, VersionedTable):
    """A person with an account."""

    __tablename__ = "users"

    username: Mapped[str] = mapped_column(String(50))
    email: Mapped[str] = mapped_column(String(254))
    name: Mapped[str | None] = mapped_column(String(200))
    age: Mapped[int | None] = mapped_column(SmallInteger)
    city: Mapped[str | None] = mapped_column(String(200))
    bio: Mapped[str | None] = mapped_column(String(5000))
    status: Mapped[str] = mapped_column(String(20), server_default="active")
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    role: Mapped[str] = mapped_column(String(20), server_default="member")
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    email_verified_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    search: Mapped[Any] = search_vector()

    __table_args__ = (
        CheckConstraint("age BETWEEN 0 AND 150", name="age"),
        CheckConstraint("status IN ('active', 'inactive', 'pending', 'suspended')", name="status"),
        CheckConstraint("role IN ('admin', 'editor', 'member', 'service')", name="role"),
        Index("uq_users_username", func.lower(username), unique=True),
        Index("uq_users_email", func.email_key(email), unique=True),
        Index("ix_users_created_at_id", "created_at", "id"),
        Index("ix_users_created_xid_id", "created_xid", "id"),
        Index(
            "ix_users_deleted",
            "created_at",
            "id",
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        # For the authors of posts.
        Index("ix_users_deleted_id", "id", postgresql_where=text("deleted_at IS NOT NULL")),
        Index("ix_users_username_id", "username", "id"),
        Index("ix_users_name_id", func.coalesce(name, NO_TEXT), "id"),
        Index("ix_users_age_id", func.coalesce(age, NO_AGE), "id"),
        Index(
            "ix_users_name_prefix",
            func.lower(name).label("name_lower"),
            postgresql_ops={"name_lower": "text_pattern_ops"},
        ),
        Index("ix_users_city", func.lower(city), "created_at", "id"),
        Index("ix_users_age", "age", "created_at", "id"),
        Index("ix_users_status", "status", "created_at", "id"),
        Index("ix_users_role", "role", "created_at", "id"),
        Index("ix_users_is_active", "is_active", "created_at", "id"),
        Index("ix_users_search", "search", postgresql_using="gin"),
    )
