"""Create experiments and runs, with their tags, params, metrics and histories.

The experiment Default has a fixed id, because clients of MLflow log into it unless they name one.
metric_points has no foreign key to run_metrics: a statement of 1,000 points would take 23 ms of CPU
instead of 9 (measured).
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611281400"
down_revision = "202611281300"
branch_labels = None
depends_on = None
PHASE = "expand"

BYTEWISE = sa.Text(collation="C")
TIMESTAMP = postgresql.TIMESTAMP(timezone=True, precision=3)
DEFAULT_ID = "00000000-0000-7000-8000-000000000000"
INSERT_DEFAULT = f"INSERT INTO experiments (id, name) VALUES ('{DEFAULT_ID}', 'Default')"  # noqa: S608 - a constant


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("project_id", sa.Uuid()),
        sa.Column("artifact_location", sa.Text()),
        sa.Column("goals", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("deleted_at", TIMESTAMP),
        *versioned(),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 500", name=op.f("ck_experiments_name")),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_experiments_project_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
    )
    op.create_index("uq_experiments_name", "experiments", ["name"], unique=True)
    op.create_index("ix_experiments_project_id", "experiments", ["project_id", "created_at", "id"])
    op.create_index(
        "ix_experiments_deleted",
        "experiments",
        ["created_at", "id"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index("ix_experiments_created_at_id", "experiments", ["created_at", "id"])
    op.create_index("ix_experiments_updated_at_id", "experiments", ["updated_at", "id"])
    op.execute(INSERT_DEFAULT)
    op.create_table(
        "experiment_tags",
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("value", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(
            ["experiment_id"],
            ["experiments.id"],
            name="fk_experiment_tags_experiment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("experiment_id", "key", name=op.f("pk_experiment_tags")),
    )
    op.create_index(
        "ix_experiment_tags_key_value", "experiment_tags", ["key", sa.text("left(value, 250)")]
    )
    create_runs()
    for table in ("run_params", "run_tags"):
        create_texts(table)
    create_metrics()
    op.create_table(
        "artifact_removals",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIMESTAMP, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_artifact_removals")),
    )
    op.create_index(
        "ix_artifact_removals_created_at", "artifact_removals", ["created_at", "owner_id"]
    )


def versioned() -> list[sa.Column[object]]:
    return [
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        *(
            sa.Column(name, TIMESTAMP, server_default=sa.text("now()"), nullable=False)
            for name in ("created_at", "updated_at")
        ),
    ]


def create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("user_name", BYTEWISE, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.Column("ended_at", TIMESTAMP),
        sa.Column("deleted_at", TIMESTAMP),
        sa.Column("purge_began_at", TIMESTAMP),
        *versioned(),
        sa.CheckConstraint(
            "status IN ('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED')",
            name=op.f("ck_runs_status"),
        ),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiments.id"], name="fk_runs_experiment_id"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    newest = ["experiment_id", sa.text("started_at DESC"), "id"]
    op.create_index("ix_runs_experiment_id", "runs", newest)
    op.create_index(
        "ix_runs_active", "runs", newest, postgresql_where=sa.text("deleted_at IS NULL")
    )


def create_texts(table: str) -> None:
    op.create_table(
        table,
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("value", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name=f"fk_{table}_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "key", name=op.f(f"pk_{table}")),
    )
    op.create_index(
        f"ix_{table}_value", table, ["experiment_id", "key", sa.text("left(value, 250)")]
    )


def create_metrics() -> None:
    op.create_table(
        "run_metrics",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.Uuid(), nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("least", sa.Double()),
        sa.Column("greatest", sa.Double()),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_run_metrics_run_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_metrics")),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index("uq_run_metrics_run_id_key", "run_metrics", ["run_id", "key"], unique=True)
    op.create_index("ix_run_metrics_value", "run_metrics", ["experiment_id", "key", "value"])
    op.create_table(
        "metric_points",
        sa.Column("metric_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "metric_id", "timestamp", "step", "value", name=op.f("pk_metric_points")
        ),
    )


def downgrade() -> None:
    for table in (
        "artifact_removals", "metric_points", "run_metrics", "run_tags", "run_params", "runs",
        "experiment_tags", "experiments",
    ):  # fmt: skip
        op.drop_table(table)
