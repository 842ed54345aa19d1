"""Give every post a slug that follows the rule.

From its title, where it was empty or written by hand. In batches: interrupted, it goes on where it
stood.
"""

from sql_migrations.post_slugs import NAME_POSTS

revision = "202611211500"
down_revision = "202611211402"
branch_labels = None
depends_on = None

BATCHES = NAME_POSTS  # where `polystore migrate plan` looks


def upgrade() -> None:
    BATCHES.run()


def downgrade() -> None:
    """Posts keep their new slugs: they suit the release before as well, and the old are gone."""
