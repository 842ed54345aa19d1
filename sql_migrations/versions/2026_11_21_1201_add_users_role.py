"""Add users.role and users.password_changed_at.

A role limits a user's actions. Logins from before a change of the password are no longer valid.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611211201"
down_revision = "202611211200"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column("role", sa.String(length=20), server_default="member", nullable=False),
    )
    op.add_column(
        "users",
        sa.Column(
            "password_changed_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=True
        ),
    )
    # Not validated yet, because checking the existing rows would block all requests meanwhile. All
    # rows have the default, and the next migration checks them.
    op.execute(
        "ALTER TABLE users ADD CONSTRAINT ck_users_role "
        "CHECK (role IN ('admin', 'editor', 'member', 'service')) NOT VALID"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_users_role"), "users", type_="check")
    op.drop_column("users", "password_changed_at")
    op.drop_column("users", "role")
