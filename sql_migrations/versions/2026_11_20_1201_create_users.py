"""Create users.

Accounts of people; emails and usernames are unique regardless of case.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611201201"
down_revision = "202611201200"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.String(length=50), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("age", sa.SmallInteger(), nullable=True),
        sa.Column("city", sa.String(length=200), nullable=True),
        sa.Column("bio", sa.String(length=5000), nullable=True),
        sa.Column("status", sa.String(length=20), server_default="active", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("deleted_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=True),
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
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('simple', username || ' ' || coalesce(name, '') || ' ' || "
                "coalesce(city, ''))",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint(
            "status IN ('active', 'inactive', 'pending', 'suspended')", name=op.f("ck_users_status")
        ),
        sa.CheckConstraint("age BETWEEN 0 AND 150", name=op.f("ck_users_age")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
    )
    op.create_index("ix_users_age", "users", ["age", "created_at", "id"], unique=False)
    op.create_index(
        "ix_users_city",
        "users",
        [sa.literal_column("lower(city)"), "created_at", "id"],
        unique=False,
    )
    op.create_index("ix_users_created_at_id", "users", ["created_at", "id"], unique=False)
    op.create_index(
        "ix_users_deleted",
        "users",
        ["created_at", "id"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_index("ix_users_is_active", "users", ["is_active", "created_at", "id"], unique=False)
    op.create_index(
        "ix_users_name_prefix",
        "users",
        [sa.literal_column("lower(name)").label("name_lower")],
        unique=False,
        postgresql_ops={"name_lower": "text_pattern_ops"},
    )
    op.create_index("ix_users_search", "users", ["search"], unique=False, postgresql_using="gin")
    op.create_index("ix_users_status", "users", ["status", "created_at", "id"], unique=False)
    op.create_index("ix_users_username_id", "users", ["username", "id"], unique=False)
    op.create_index("uq_users_email", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_index(
        "uq_users_username", "users", [sa.literal_column("lower(username)")], unique=True
    )


def downgrade() -> None:
    op.drop_table("users")
