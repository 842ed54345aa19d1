"""Index posts.published_at.

For the report of authors. Concurrently, because the table may be large.
"""

import sqlalchemy as sa
from alembic import op

revision = "202611211209"
down_revision = "202611211208"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_posts_published_at",
            "posts",
            ["published_at"],
            postgresql_where=sa.text("published"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_posts_published_at",
            table_name="posts",
            postgresql_concurrently=True,
            if_exists=True,
        )
