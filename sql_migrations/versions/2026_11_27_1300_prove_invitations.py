"""Add project_invitations.secret_hash and users.email_verified_at.

An invitation is accepted with its secret, or by a user whose email was verified. Invitations from
before have no secret, and are accepted without one until they expire.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611271300"
down_revision = "202611271200"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.add_column(
        "users",
        sa.Column(
            "email_verified_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=True
        ),
    )
    op.add_column("project_invitations", sa.Column("secret_hash", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("project_invitations", "secret_hash")
    op.drop_column("users", "email_verified_at")
