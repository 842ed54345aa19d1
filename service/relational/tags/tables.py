"""Table of tags."""

from typing import Any

from sqlalchemy import Index, String, func
from sqlalchemy.orm import Mapped, mapped_column

from service.stores.sql.base import VersionedTable, search_vector


class Tag(VersionedTable):
    """A keyword of posts."""

    __tablename__ = "tags"

    name: Mapped[str] = mapped_column(String(60))
    search: Mapped[Any] = search_vector()

    __table_args__ = (
        Index("uq_tags_name", func.fold_name(name), unique=True),
        Index(
            "ix_tags_name_prefix",
            func.fold_name(name).label("name_folded"),
            postgresql_ops={"name_folded": "text_pattern_ops"},
        ),
        Index("ix_tags_name_id", "name", "id"),
        Index("ix_tags_created_at_id", "created_at", "id"),
        Index("ix_tags_search", "search", postgresql_using="gin"),
    )
