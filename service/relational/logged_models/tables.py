"""Tables of logged models, their params, tags and metrics."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Identity,
    Index,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.relational.experiments.tables import Bytewise, indexed
from service.stores.sql.base import Base, VersionedTable


class LoggedModel(VersionedTable):
    """A model that was logged in an experiment, mostly by a run.

    It outlives its run: what it was trained by is then unknown. A trigger hands the artifacts of a
    model whose row is removed to ``artifact_removals``.
    """

    __tablename__ = "logged_models"

    experiment_id: Mapped[UUID] = mapped_column(
        ForeignKey("experiments.id", name="fk_logged_models_experiment_id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(Bytewise)
    model_type: Mapped[str | None] = mapped_column(Bytewise)
    source_run_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("runs.id", name="fk_logged_models_source_run_id", ondelete="SET NULL")
    )
    status: Mapped[str] = mapped_column(Bytewise)
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('PENDING', 'READY', 'UPLOAD_FAILED')", name="status"),
        Index("ix_logged_models_created_at", "experiment_id", "created_at", "id"),
        Index("ix_logged_models_name", "experiment_id", "name"),
        Index("ix_logged_models_source_run_id", "source_run_id"),
    )


class LoggedModelParam(Base):
    """A param of a logged model; its value never changes."""

    __tablename__ = "logged_model_params"

    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("logged_models.id", name="fk_logged_model_params_model_id", ondelete="CASCADE"),
        primary_key=True,
    )
    key: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    experiment_id: Mapped[UUID]
    value: Mapped[str] = mapped_column(Bytewise)

    __table_args__ = (
        Index("ix_logged_model_params_value", "experiment_id", "key", indexed(value)),
    )


class LoggedModelTag(Base):
    """A tag of a logged model."""

    __tablename__ = "logged_model_tags"

    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("logged_models.id", name="fk_logged_model_tags_model_id", ondelete="CASCADE"),
        primary_key=True,
    )
    key: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    experiment_id: Mapped[UUID]
    value: Mapped[str] = mapped_column(Bytewise)

    __table_args__ = (Index("ix_logged_model_tags_value", "experiment_id", "key", indexed(value)),)


class LoggedModelMetric(Base):
    """A point of a logged model's metric, which a run logged about a dataset or about none.

    Without a dataset its name and digest are empty. ``run_id`` has no foreign key: a model keeps
    its metrics when the run is purged.
    """

    __tablename__ = "logged_model_metrics"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("logged_models.id", name="fk_logged_model_metrics_model_id", ondelete="CASCADE")
    )
    run_id: Mapped[UUID]
    experiment_id: Mapped[UUID]
    key: Mapped[str] = mapped_column(Bytewise)
    step: Mapped[int] = mapped_column(BigInteger)
    timestamp: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float] = mapped_column(Double)
    dataset_name: Mapped[str] = mapped_column(Bytewise, server_default="")
    dataset_digest: Mapped[str] = mapped_column(Bytewise, server_default="")

    __table_args__ = (
        # The digest of a long name, because an entry of a B-tree has at most 2704 bytes.
        Index(
            "uq_logged_model_metrics_point",
            "model_id", "key", "step", "timestamp", "value", "run_id", func.md5(dataset_name),
            "dataset_digest",
            unique=True,
        ),
        Index("ix_logged_model_metrics_value", "experiment_id", "key", "value"),
    )  # fmt: skip
