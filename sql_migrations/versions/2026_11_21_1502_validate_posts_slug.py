"""Validate ck_posts_slug.

After the posts that came between the last batch and the guard; mostly there are none. Checking the
rows there are takes a lock that lets reads and writes through.
"""

from alembic import op

from sql_migrations.post_slugs import NAME_POSTS

revision = "202611211502"
down_revision = "202611211501"
branch_labels = None
depends_on = None


def upgrade() -> None:
    NAME_POSTS.run()
    op.execute("ALTER TABLE posts VALIDATE CONSTRAINT ck_posts_slug")


def downgrade() -> None:
    """A valid constraint is as good as one that is not yet."""
