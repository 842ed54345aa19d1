"""Create accounts.

Money of one owner in one currency.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611211300"
down_revision = "202611211209"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "balance",
            sa.Numeric(precision=18, scale=2),
            server_default=sa.text("0"),
            nullable=False,
        ),
        sa.Column("may_overdraw", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=True),
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
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_accounts_currency")),
        sa.CheckConstraint("balance >= 0 OR may_overdraw", name=op.f("ck_accounts_overdraft")),
        sa.CheckConstraint(
            "closed_at IS NULL OR balance = 0", name=op.f("ck_accounts_closed_is_empty")
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_accounts_owner_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index("uq_accounts_id_currency", "accounts", ["id", "currency"], unique=True)
    op.create_index("ix_accounts_created_at_id", "accounts", ["created_at", "id"])
    op.create_index("ix_accounts_owner_id", "accounts", ["owner_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("accounts")
