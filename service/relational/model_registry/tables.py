"""Tables of registered models, their versions, aliases and tags."""

from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.relational.experiments.tables import Bytewise, indexed
from service.stores.sql.base import Base, VersionedTable

_STAGES = "stage IN ('None', 'Staging', 'Production', 'Archived')"


class RegisteredModel(VersionedTable):
    """A registered model; shared by all, or with ``project_id`` by the members of a project.

    ``last_number`` is the greatest number that a version got, also of a version that was deleted.
    ``updated_at`` is the last change of the model or of what versions it has, as MLflow has it;
    tags and aliases leave it, and count in ``version`` alone.
    """

    __tablename__ = "registered_models"

    name: Mapped[str] = mapped_column(Bytewise)
    description: Mapped[str | None] = mapped_column(Text)
    project_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("projects.id", name="fk_registered_models_project_id")
    )
    last_number: Mapped[int] = mapped_column(BigInteger, server_default="0")

    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 256", name="name"),
        Index("uq_registered_models_name", "name", unique=True),
        Index("ix_registered_models_project_id", "project_id", "name"),
        Index("ix_registered_models_created_at_id", "created_at", "id"),
        Index("ix_registered_models_updated_at_id", "updated_at", "id"),
    )


class RegisteredModelTag(Base):
    """A tag of a registered model."""

    __tablename__ = "registered_model_tags"

    model_id: Mapped[UUID] = mapped_column(
        ForeignKey(
            "registered_models.id", name="fk_registered_model_tags_model_id", ondelete="CASCADE"
        ),
        primary_key=True,
    )
    key: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    value: Mapped[str] = mapped_column(Bytewise)

    __table_args__ = (Index("ix_registered_model_tags_key_value", "key", indexed(value)),)


class ModelVersion(VersionedTable):
    """A version of a registered model; ``version`` counts its changes, ``number`` names it.

    ``run_id`` has 32 digits and ``logged_model_id`` m- before them, as MLflow writes them; other
    text is as the client sent it, for it may be of another server. ``location`` is where its files
    are, ``source`` what was registered.
    """

    __tablename__ = "model_versions"

    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("registered_models.id", name="fk_model_versions_model_id", ondelete="CASCADE")
    )
    number: Mapped[int] = mapped_column(BigInteger)
    stage: Mapped[str] = mapped_column(Text, server_default="None")
    source: Mapped[str] = mapped_column(Bytewise)
    location: Mapped[str] = mapped_column(Text)
    run_id: Mapped[str | None] = mapped_column(Bytewise)
    run_link: Mapped[str | None] = mapped_column(Text)
    logged_model_id: Mapped[str | None] = mapped_column(Bytewise)
    status: Mapped[str] = mapped_column(Text, server_default="READY")
    status_message: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint(_STAGES, name="stage"),
        UniqueConstraint("model_id", "number", name="uq_model_versions_number"),
        Index("ix_model_versions_created_at", "model_id", "created_at", "id"),
        Index("ix_model_versions_of_model_updated_at", "model_id", "updated_at", "id"),
        Index("ix_model_versions_stage", "model_id", "stage", "number"),
        Index("ix_model_versions_updated_at_id", "updated_at", "id"),
        Index("ix_model_versions_run_id", "run_id"),
        Index("ix_model_versions_source", "source", postgresql_using="hash"),  # of any length
    )


class ModelVersionTag(Base):
    """A tag of a version."""

    __tablename__ = "model_version_tags"

    version_id: Mapped[UUID] = mapped_column(
        ForeignKey(
            "model_versions.id", name="fk_model_version_tags_version_id", ondelete="CASCADE"
        ),
        primary_key=True,
    )
    key: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    value: Mapped[str] = mapped_column(Bytewise)

    __table_args__ = (Index("ix_model_version_tags_key_value", "key", indexed(value)),)


class ModelAlias(Base):
    """A name of one version of a model; it can move to another, and ends with its version."""

    __tablename__ = "model_aliases"

    model_id: Mapped[UUID] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        ForeignKeyConstraint(
            ["model_id", "number"],
            ["model_versions.model_id", "model_versions.number"],
            name="fk_model_aliases_number",
            ondelete="CASCADE",
        ),
        Index("ix_model_aliases_number", "model_id", "number"),
    )
