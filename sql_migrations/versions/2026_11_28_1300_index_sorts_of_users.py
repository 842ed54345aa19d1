"""Index users by name and by age, for the new sorts, and by role, for the new filter.

A user without a name or an age has a place in these orders too, before all others.
"""

import sqlalchemy as sa
from alembic import op

revision = "202611281300"
down_revision = "202611281200"
branch_labels = None
depends_on = None
PHASE = "expand"

INDEXES = {
    "ix_users_name_id": [sa.text("coalesce(name, '')"), "id"],
    "ix_users_age_id": [sa.text("coalesce(age, '-1'::smallint)"), "id"],
    "ix_users_role": ["role", "created_at", "id"],
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # The build waits for older transactions, and no request waits for it. One that failed
        # leaves an invalid index, which a repetition replaces.
        op.execute("SET lock_timeout = 0")
        for index, columns in INDEXES.items():
            op.drop_index(index, table_name="users", postgresql_concurrently=True, if_exists=True)
            op.create_index(index, "users", columns, postgresql_concurrently=True)
        op.execute("SET lock_timeout = '5s'")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        for index in INDEXES:
            op.drop_index(index, table_name="users", postgresql_concurrently=True, if_exists=True)
        op.execute("SET lock_timeout = '5s'")
