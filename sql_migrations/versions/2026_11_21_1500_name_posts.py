"""Give every post a slug that follows the rule.

Derived from the title, where the slug was empty or written by hand. Runs in batches: an interrupted
run can continue.
"""

from sql_migrations.post_slugs import NAME_POSTS

revision = "202611211500"
down_revision = "202611211402"
branch_labels = None
depends_on = None
PHASE = "expand"

BATCHES = NAME_POSTS  # read by `polystore migrate plan`


def upgrade() -> None:
    BATCHES.run()


def downgrade() -> None:
    """Keep the new slugs: they suit the earlier release as well, and the old ones are lost."""
