"""Store more statistics of the words that are searched.

With the default of 100, the planner overestimates a rare word a hundredfold. It then reads a table
of 200,000 rows in the page's order instead of using the search index. The next ANALYZE collects
them.
"""

from alembic import op

revision = "202611211602"
down_revision = "202611211601"
branch_labels = None
depends_on = None
PHASE = "expand"

SEARCHED = ("users", "posts", "products")


def upgrade() -> None:
    for table in SEARCHED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN search SET STATISTICS 1000")


def downgrade() -> None:
    for table in SEARCHED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN search SET STATISTICS -1")
