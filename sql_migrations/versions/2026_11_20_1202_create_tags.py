"""Create tags.

Labels for posts.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611201202"
down_revision = "202611201201"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.create_table(
        "tags",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True, precision=3),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            postgresql.TIMESTAMP(timezone=True, precision=3),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
    )
    op.create_index("ix_tags_created_at_id", "tags", ["created_at", "id"], unique=False)
    op.create_index("ix_tags_name_id", "tags", ["name", "id"], unique=False)
    op.create_index(
        "ix_tags_name_prefix",
        "tags",
        [sa.literal_column("lower(name)").label("name_lower")],
        unique=False,
        postgresql_ops={"name_lower": "text_pattern_ops"},
    )
    op.create_index("uq_tags_name", "tags", [sa.literal_column("lower(name)")], unique=True)


def downgrade() -> None:
    op.drop_table("tags")
