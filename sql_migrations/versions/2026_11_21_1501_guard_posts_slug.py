"""Add ck_posts_slug, not yet validated.

New posts cannot break the rule from here on. Added after the batches, because every update of an
old post, even of its views, would otherwise fail until its batch.
"""

from alembic import op

from sql_migrations.post_slugs import RULE

revision = "202611211501"
down_revision = "202611211500"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.execute(f"ALTER TABLE posts ADD CONSTRAINT ck_posts_slug CHECK ({RULE}) NOT VALID")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_posts_slug"), "posts", type_="check")
