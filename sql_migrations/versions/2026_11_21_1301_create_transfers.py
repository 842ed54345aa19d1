"""Create transfers and entries.

A transfer references both accounts together with its currency, so all three currencies stay equal.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611211301"
down_revision = "202611211300"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.create_table(
        "transfers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("from_account_id", sa.Uuid(), nullable=False),
        sa.Column("to_account_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=False),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True, precision=3),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.CheckConstraint("amount > 0 AND amount < 'NaN'", name=op.f("ck_transfers_amount")),
        sa.CheckConstraint(
            "from_account_id <> to_account_id", name=op.f("ck_transfers_two_accounts")
        ),
        sa.ForeignKeyConstraint(
            ["from_account_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name="fk_transfers_from_account_id",
        ),
        sa.ForeignKeyConstraint(
            ["to_account_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name="fk_transfers_to_account_id",
        ),
        sa.ForeignKeyConstraint(["reverses_id"], ["transfers.id"], name="fk_transfers_reverses_id"),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name="fk_transfers_created_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index(
        "uq_transfers_reverses_id",
        "transfers",
        ["reverses_id"],
        unique=True,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.create_index("ix_transfers_created_at_id", "transfers", ["created_at", "id"])
    op.create_table(
        "entries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=18, scale=2), nullable=False),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_entries_amount")),
        sa.ForeignKeyConstraint(["transfer_id"], ["transfers.id"], name="fk_entries_transfer_id"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_entries_account_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
    )
    op.create_index("uq_entries_transfer_id", "entries", ["transfer_id", "account_id"], unique=True)
    op.create_index("ix_entries_account_id", "entries", ["account_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_table("entries")
    op.drop_table("transfers")
