"""Add created_xid to the tables whose lists are followed, with an index.

The id of the transaction that inserted the row. Rows from before get 0 without being written: the
default that fills them is a constant, and only rows to come get the id of their transaction. Each
table is changed in a transaction of its own, so that no lock waits for another table.
"""

from alembic import op

revision = "202611271400"
down_revision = "202611271300"
branch_labels = None
depends_on = None
PHASE = "expand"

INDEXES = {
    "users": ("ix_users_created_xid_id", ["created_xid", "id"]),
    "posts": ("ix_posts_created_xid_id", ["created_xid", "id"]),
    "products": ("ix_products_created_xid_id", ["created_xid", "id"]),
    "orders": ("ix_orders_created_xid_id", ["created_xid", "id"]),
    "transfers": ("ix_transfers_created_xid_id", ["created_xid", "id"]),
    "entries": ("ix_entries_account_id_created_xid", ["account_id", "created_xid", "id"]),
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for table, (index, columns) in INDEXES.items():
            op.execute(f"""
                ALTER TABLE {table}
                    ADD COLUMN IF NOT EXISTS created_xid xid8 DEFAULT '0' NOT NULL,
                    ALTER COLUMN created_xid SET DEFAULT pg_current_xact_id()
            """)
            # The build waits for older transactions, and no request waits for it. One that failed
            # leaves an invalid index, which a repetition replaces.
            op.execute("SET lock_timeout = 0")
            op.drop_index(index, table_name=table, postgresql_concurrently=True, if_exists=True)
            op.create_index(index, table, columns, postgresql_concurrently=True)
            op.execute("SET lock_timeout = '5s'")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for table, (index, _) in INDEXES.items():
            op.drop_index(index, table_name=table, postgresql_concurrently=True, if_exists=True)
            op.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS created_xid")
