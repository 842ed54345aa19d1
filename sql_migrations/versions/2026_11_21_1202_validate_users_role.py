"""Validate ck_users_role.

In a transaction of its own, so that nobody waits for it.
"""

from alembic import op

revision = "202611211202"
down_revision = "202611211201"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE users VALIDATE CONSTRAINT ck_users_role")


def downgrade() -> None:
    """A valid constraint is as good as one that is not yet."""
