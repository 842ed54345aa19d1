"""Index products.currency.

For the list's filter: the search for a rare currency read every product.
"""

from alembic import op

revision = "202611211600"
down_revision = "202611211502"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_products_currency",
            "products",
            ["currency", "created_at", "id"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_products_currency",
            table_name="products",
            postgresql_concurrently=True,
            if_exists=True,
        )
