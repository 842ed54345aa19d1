"""Tables of runs, their params, tags and metrics.

The rows below a run repeat its experiment, which never changes, so that an index finds the values
of one key within an experiment.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Identity,
    Index,
    Text,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.relational.experiments.tables import Bytewise, Experiment, indexed
from service.stores.sql.base import Base, VersionedTable

_STATUSES = "status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')"


class Run(VersionedTable):
    """A run; those of a deleted experiment are deleted too, see DELETED_AT.

    ``deleted_at`` is of the run alone, because an experiment may have more runs than one request
    can change. A run whose purge began, so that a part of it is gone, is never restored.
    """

    __tablename__ = "runs"

    experiment_id: Mapped[UUID] = mapped_column(
        ForeignKey("experiments.id", name="fk_runs_experiment_id")
    )
    name: Mapped[str] = mapped_column(Bytewise)
    user_name: Mapped[str] = mapped_column(Bytewise)
    status: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    purge_began_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(_STATUSES, name="status"),
        Index("ix_runs_experiment_id", "experiment_id", text("started_at DESC"), "id"),
        Index(
            "ix_runs_active",
            "experiment_id",
            text("started_at DESC"),
            "id",
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )


DELETED_AT = func.coalesce(Run.deleted_at, Experiment.deleted_at)
"""When a run was deleted, alone or with its experiment, which a statement has to join."""


class RunParam(Base):
    """A param of a run; its value never changes."""

    __tablename__ = "run_params"

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("runs.id", name="fk_run_params_run_id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    experiment_id: Mapped[UUID]
    value: Mapped[str] = mapped_column(Bytewise)

    __table_args__ = (Index("ix_run_params_value", "experiment_id", "key", indexed(value)),)


class RunTag(Base):
    """A tag of a run."""

    __tablename__ = "run_tags"

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("runs.id", name="fk_run_tags_run_id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(Bytewise, primary_key=True)
    experiment_id: Mapped[UUID]
    value: Mapped[str] = mapped_column(Bytewise)

    __table_args__ = (Index("ix_run_tags_value", "experiment_id", "key", indexed(value)),)


class RunMetric(Base):
    """A metric of a run: its latest point, and the totals of its history.

    The latest point has the greatest (step, timestamp, value), in which NaN counts as 0.
    ``count``, ``total``, ``least`` and ``greatest`` leave out NaN; the mean is ``total / count``.
    ``timestamp`` is in milliseconds since 1970, or what the client took for that.
    """

    __tablename__ = "run_metrics"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("runs.id", name="fk_run_metrics_run_id", ondelete="CASCADE")
    )
    experiment_id: Mapped[UUID]
    key: Mapped[str] = mapped_column(Bytewise)
    step: Mapped[int] = mapped_column(BigInteger)
    timestamp: Mapped[int] = mapped_column(BigInteger)
    value: Mapped[float] = mapped_column(Double)
    count: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[float] = mapped_column(Double)
    least: Mapped[float | None] = mapped_column(Double)
    greatest: Mapped[float | None] = mapped_column(Double)

    __table_args__ = (
        Index("uq_run_metrics_run_id_key", "run_id", "key", unique=True),
        Index("ix_run_metrics_value", "experiment_id", "key", "value"),
        {"postgresql_with": {"fillfactor": "80"}},  # room for the next latest point
    )


class MetricPoint(Base):
    """A point of a metric's history, in the order in which histories are read.

    ``metric_id`` is the id of a RunMetric.
    """

    __tablename__ = "metric_points"

    metric_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    timestamp: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    value: Mapped[float] = mapped_column(Double, primary_key=True)


class ArtifactRemoval(Base):
    """A purged run or logged model, whose artifacts in MongoDB are to be removed."""

    __tablename__ = "artifact_removals"

    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)  # of ArtifactRoot
    experiment_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_artifact_removals_created_at", "created_at", "owner_id"),)
