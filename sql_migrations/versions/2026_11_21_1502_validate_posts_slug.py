"""Validate ck_posts_slug.

First changes posts that were inserted between the last batch and the constraint; usually none.
Validating takes a lock that allows reads and writes.
"""

from alembic import op

from sql_migrations.post_slugs import NAME_POSTS

revision = "202611211502"
down_revision = "202611211501"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    NAME_POSTS.run()
    op.execute("ALTER TABLE posts VALIDATE CONSTRAINT ck_posts_slug")


def downgrade() -> None:
    """Change nothing: the validated constraint suits the earlier release as well."""
