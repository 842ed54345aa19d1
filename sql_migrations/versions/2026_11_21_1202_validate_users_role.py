"""Validate ck_users_role.

In its own transaction, so that no request waits for it.
"""

from alembic import op

revision = "202611211202"
down_revision = "202611211201"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_role")


def downgrade() -> None:
    """Change nothing: the validated constraint suits the earlier release as well."""
