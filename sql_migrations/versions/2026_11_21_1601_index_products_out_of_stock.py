"""Index products that are out of stock.

For in_stock=false: where nearly all are in stock, the search read every product.
"""

import sqlalchemy as sa
from alembic import op

revision = "202611211601"
down_revision = "202611211600"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_products_out_of_stock",
            "products",
            ["created_at", "id"],
            postgresql_where=sa.text("stock = 0"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_products_out_of_stock",
            table_name="products",
            postgresql_concurrently=True,
            if_exists=True,
        )
