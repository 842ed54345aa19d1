"""Tables of what runs read and made: datasets, and logged models by their id."""

from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.relational.experiments.tables import Bytewise
from service.stores.sql.base import Base, IdTable


class Dataset(IdTable):
    """A dataset that runs of an experiment read: the first description of it stays.

    ``source``, ``schema`` and ``profile`` are text that clients write and read, mostly JSON.
    """

    __tablename__ = "datasets"

    experiment_id: Mapped[UUID] = mapped_column(
        ForeignKey("experiments.id", name="fk_datasets_experiment_id", ondelete="CASCADE")
    )
    name: Mapped[str] = mapped_column(Bytewise)
    digest: Mapped[str] = mapped_column(Bytewise)
    source_type: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    schema: Mapped[str | None] = mapped_column(Text)
    profile: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("uq_datasets_name_digest", "experiment_id", "name", "digest", unique=True),
        Index("ix_datasets_digest", "experiment_id", "digest"),
    )


class RunDataset(Base):
    """A dataset as a run's input; ``context`` is its tag ``mlflow.data.context``."""

    __tablename__ = "run_datasets"

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("runs.id", name="fk_run_datasets_run_id", ondelete="CASCADE"), primary_key=True
    )
    dataset_id: Mapped[UUID] = mapped_column(
        ForeignKey("datasets.id", name="fk_run_datasets_dataset_id", ondelete="CASCADE"),
        primary_key=True,
    )
    experiment_id: Mapped[UUID]
    context: Mapped[str | None] = mapped_column(Bytewise)
    tags: Mapped[dict[str, str]] = mapped_column(JSONB)

    __table_args__ = (
        Index("ix_run_datasets_dataset_id", "dataset_id"),
        Index("ix_run_datasets_context", "experiment_id", "context", "run_id"),
    )


class RunModel(Base):
    """A logged model as a run's input, with step 0, or as its output at a step."""

    __tablename__ = "run_models"

    run_id: Mapped[UUID] = mapped_column(
        ForeignKey("runs.id", name="fk_run_models_run_id", ondelete="CASCADE"), primary_key=True
    )
    direction: Mapped[str] = mapped_column(Text, primary_key=True)
    model_id: Mapped[UUID] = mapped_column(
        ForeignKey("logged_models.id", name="fk_run_models_model_id", ondelete="CASCADE"),
        primary_key=True,
    )
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)

    __table_args__ = (
        CheckConstraint("direction IN ('input', 'output')", name="direction"),
        Index("ix_run_models_model_id", "model_id"),
    )
