"""Add ck_posts_slug, not valid yet.

From here on no post comes that breaks the rule. After the batches: a post with a slug of old could
otherwise not even count a view before its turn.
"""

from alembic import op

from sql_migrations.post_slugs import RULE

revision = "202611211501"
down_revision = "202611211500"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(f"ALTER TABLE posts ADD CONSTRAINT ck_posts_slug CHECK ({RULE}) NOT VALID")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_posts_slug"), "posts", type_="check")
