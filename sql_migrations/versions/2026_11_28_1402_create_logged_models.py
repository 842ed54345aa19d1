"""Create logged models, datasets, and what runs read and made."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611281402"
down_revision = "202611281401"
branch_labels = None
depends_on = None
PHASE = "expand"

BYTEWISE = sa.Text(collation="C")
TIMESTAMP = postgresql.TIMESTAMP(timezone=True, precision=3)


def upgrade() -> None:
    create_models()
    for table in ("logged_model_params", "logged_model_tags"):
        create_texts(table)
    create_metrics()
    create_datasets()
    create_inputs()


def reference(table: str, column: str, target: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [f"{target}.id"], name=f"fk_{table}_{column}", ondelete=ondelete
    )


def create_models() -> None:
    op.create_table(
        "logged_models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("model_type", BYTEWISE),
        sa.Column("source_run_id", sa.Uuid()),
        sa.Column("status", BYTEWISE, nullable=False),
        sa.Column("deleted_at", TIMESTAMP),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", TIMESTAMP, server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", TIMESTAMP, server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('PENDING', 'READY', 'UPLOAD_FAILED')", name=op.f("ck_logged_models_status")
        ),
        reference("logged_models", "experiment_id", "experiments", "CASCADE"),
        reference("logged_models", "source_run_id", "runs", "SET NULL"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logged_models")),
    )
    newest = ["experiment_id", "created_at", "id"]
    op.create_index("ix_logged_models_created_at", "logged_models", newest)
    op.create_index("ix_logged_models_name", "logged_models", ["experiment_id", "name"])
    op.create_index("ix_logged_models_source_run_id", "logged_models", ["source_run_id"])


def create_texts(table: str) -> None:
    op.create_table(
        table,
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("value", BYTEWISE, nullable=False),
        reference(table, "model_id", "logged_models", "CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "key", name=op.f(f"pk_{table}")),
    )
    values = ["experiment_id", "key", sa.text("left(value, 250)")]
    op.create_index(f"ix_{table}_value", table, values)


def create_metrics() -> None:
    op.create_table(
        "logged_model_metrics",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("dataset_name", BYTEWISE, server_default="", nullable=False),
        sa.Column("dataset_digest", BYTEWISE, server_default="", nullable=False),
        reference("logged_model_metrics", "model_id", "logged_models", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logged_model_metrics")),
    )
    point = [
        "model_id", "key", "step", "timestamp", "value", "run_id", sa.text("md5(dataset_name)"),
        "dataset_digest",
    ]  # fmt: skip
    op.create_index("uq_logged_model_metrics_point", "logged_model_metrics", point, unique=True)
    values = ["experiment_id", "key", "value"]
    op.create_index("ix_logged_model_metrics_value", "logged_model_metrics", values)


def create_datasets() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("digest", BYTEWISE, nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("schema", sa.Text()),
        sa.Column("profile", sa.Text()),
        reference("datasets", "experiment_id", "experiments", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
    )
    identity = ["experiment_id", "name", "digest"]
    op.create_index("uq_datasets_name_digest", "datasets", identity, unique=True)
    op.create_index("ix_datasets_digest", "datasets", ["experiment_id", "digest"])


def create_inputs() -> None:
    op.create_table(
        "run_datasets",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("context", BYTEWISE),
        sa.Column("tags", postgresql.JSONB(), nullable=False),
        reference("run_datasets", "run_id", "runs", "CASCADE"),
        reference("run_datasets", "dataset_id", "datasets", "CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "dataset_id", name=op.f("pk_run_datasets")),
    )
    op.create_index("ix_run_datasets_dataset_id", "run_datasets", ["dataset_id"])
    contexts = ["experiment_id", "context", "run_id"]
    op.create_index("ix_run_datasets_context", "run_datasets", contexts)
    op.create_table(
        "run_models",
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "direction IN ('input', 'output')", name=op.f("ck_run_models_direction")
        ),
        reference("run_models", "run_id", "runs", "CASCADE"),
        reference("run_models", "model_id", "logged_models", "CASCADE"),
        sa.PrimaryKeyConstraint(
            "run_id", "direction", "model_id", "step", name=op.f("pk_run_models")
        ),
    )
    op.create_index("ix_run_models_model_id", "run_models", ["model_id"])


def downgrade() -> None:
    for table in (
        "run_models", "run_datasets", "datasets", "logged_model_metrics", "logged_model_tags",
        "logged_model_params", "logged_models",
    ):  # fmt: skip
        op.drop_table(table)
