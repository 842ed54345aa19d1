"""Tables of experiments and their tags."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.stores.sql.base import Base, VersionedTable

DEFAULT_ID = UUID("00000000-0000-7000-8000-000000000000")
"""The experiment of clients that name none; a migration makes it."""
INDEXED_CHARS = 250  # of a value: an entry of a B-tree has at most 2704 bytes
Bytewise = Text(collation="C")  # sorts everywhere in the same way


def indexed(value: Any) -> Any:
    """Return the part of a value that indexes hold; compare it beside the value itself."""
    return func.left(value, INDEXED_CHARS)


class Experiment(VersionedTable):
    """An experiment; shared by all, or with ``project_id`` by the members of a project.

    The name stays taken after deletion, until the experiment is purged. ``goals`` has ``minimize``
    or ``maximize`` for the key of a metric.
    """

    __tablename__ = "experiments"

    name: Mapped[str] = mapped_column(Bytewise)
    project_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("projects.id", name="fk_experiments_project_id")
    )
    artifact_location: Mapped[str | None] = mapped_column(Text)
    goals: Mapped[dict[str, str]] = mapped_column(JSONB, server_default=text("'{}'"))
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 500", name="name"),
        Index("uq_experiments_name", "name", unique=True),
        Index("ix_experiments_project_id", "project_id", "created_at", "id"),
        Index(
            "ix_experiments_deleted",
            "created_at",
            "id",
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index("ix_experiments_created_at_id", "created_at", "id"),
        Index("ix_experiments_updated_at_id", "updated_at", "id"),
    )


class ExperimentTag(Base):
    """A tag of an experiment."""

    __tablename__ = "experiment_tags"

    experiment_id: Mapped[UUID] = mapped_column(
        ForeignKey("experiments.id", name="fk_experiment_tags_experiment_id", ondelete="CASCADE"),
        primary_key=True,
    )
    key: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    value: Mapped[str] = mapped_column(Bytewise)

    __table_args__ = (Index("ix_experiment_tags_key_value", "key", indexed(value)),)
