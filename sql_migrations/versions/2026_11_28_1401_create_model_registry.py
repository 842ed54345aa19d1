"""Create the model registry: registered models, their versions, aliases and tags."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611281401"
down_revision = "202611281400"
branch_labels = None
depends_on = None
PHASE = "expand"

BYTEWISE = sa.Text(collation="C")
TIMESTAMP = postgresql.TIMESTAMP(timezone=True, precision=3)
TABLES = (
    "model_aliases", "model_version_tags", "model_versions", "registered_model_tags",
    "registered_models",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "registered_models",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("project_id", sa.Uuid()),
        sa.Column("last_number", sa.BigInteger(), server_default="0", nullable=False),
        *versioned(),
        sa.CheckConstraint(
            "char_length(name) BETWEEN 1 AND 256", name=op.f("ck_registered_models_name")
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_registered_models_project_id"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registered_models")),
    )
    table = "registered_models"
    op.create_index("uq_registered_models_name", table, ["name"], unique=True)
    op.create_index("ix_registered_models_project_id", table, ["project_id", "name"])
    op.create_index("ix_registered_models_created_at_id", table, ["created_at", "id"])
    op.create_index("ix_registered_models_updated_at_id", table, ["updated_at", "id"])
    create_tags("registered_model_tags", "model_id", "registered_models")
    create_versions()
    create_tags("model_version_tags", "version_id", "model_versions")
    op.create_table(
        "model_aliases",
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("alias", BYTEWISE, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id", "number"],
            ["model_versions.model_id", "model_versions.number"],
            name="fk_model_aliases_number",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("model_id", "alias", name=op.f("pk_model_aliases")),
    )
    op.create_index("ix_model_aliases_number", "model_aliases", ["model_id", "number"])


def versioned() -> list[sa.Column[object]]:
    return [
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        *(
            sa.Column(name, TIMESTAMP, server_default=sa.text("now()"), nullable=False)
            for name in ("created_at", "updated_at")
        ),
    ]


def create_versions() -> None:
    table = "model_versions"
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), server_default="None", nullable=False),
        sa.Column("source", BYTEWISE, nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("run_id", BYTEWISE),
        sa.Column("run_link", sa.Text()),
        sa.Column("logged_model_id", BYTEWISE),
        sa.Column("status", sa.Text(), server_default="READY", nullable=False),
        sa.Column("status_message", sa.Text()),
        sa.Column("description", sa.Text()),
        *versioned(),
        sa.CheckConstraint(
            "stage IN ('None', 'Staging', 'Production', 'Archived')",
            name=op.f("ck_model_versions_stage"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["registered_models.id"],
            name="fk_model_versions_model_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("model_id", "number", name="uq_model_versions_number"),
    )
    op.create_index("ix_model_versions_created_at", table, ["model_id", "created_at", "id"])
    op.create_index(
        "ix_model_versions_of_model_updated_at", table, ["model_id", "updated_at", "id"]
    )
    op.create_index("ix_model_versions_stage", table, ["model_id", "stage", "number"])
    op.create_index("ix_model_versions_updated_at_id", table, ["updated_at", "id"])
    op.create_index("ix_model_versions_run_id", table, ["run_id"])
    op.create_index("ix_model_versions_source", table, ["source"], postgresql_using="hash")


def create_tags(table: str, owner: str, owners: str) -> None:
    op.create_table(
        table,
        sa.Column(owner, sa.Uuid(), nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("value", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(
            [owner], [f"{owners}.id"], name=f"fk_{table}_{owner}", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(owner, "key", name=op.f(f"pk_{table}")),
    )
    op.create_index(f"ix_{table}_key_value", table, ["key", sa.text("left(value, 250)")])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
