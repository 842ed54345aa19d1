"""Table of tags."""

from sqlalchemy import Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from service.stores.sql.base import VersionedTable


class Tag(VersionedTable):
    """A keyword of posts."""

    __tablename__ = "tags"

    name: Mapped[str] = mapped_column(String(60))

    __table_args__ = (
        Index("uq_tags_name", func.lower(name), unique=True),
        Index(
            "ix_tags_name_prefix",
            func.lower(name).label("name_lower"),
            postgresql_ops={"name_lower": "text_pattern_ops"},
        ),
        Index("ix_tags_name_id", "name", "id"),
        Index("ix_tags_created_at_id", "created_at", "id"),
    )
