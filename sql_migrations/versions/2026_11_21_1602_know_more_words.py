"""Keep more statistics of the words that are searched.

With the usual 100 the planner takes a rare word for a hundred times as common, and reads a table of
200,000 in the order of the page instead of looking the word up. The next ANALYZE collects them.
"""

from alembic import op

revision = "202611211602"
down_revision = "202611211601"
branch_labels = None
depends_on = None

SEARCHED = ("users", "posts", "products")


def upgrade() -> None:
    for table in SEARCHED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN search SET STATISTICS 1000")


def downgrade() -> None:
    for table in SEARCHED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN search SET STATISTICS -1")
