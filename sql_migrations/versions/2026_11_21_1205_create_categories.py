"""Create categories.

A tree; a trigger prevents cycles.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611211205"
down_revision = "202611211204"
branch_labels = None
depends_on = None
PHASE = "expand"

# Moves of categories wait for one another, because two concurrent ones would each see no cycle.
# Moves are rare, and the check of the ancestors is one query.
NO_CIRCLE = """
CREATE FUNCTION categories_have_no_circle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(7061646574);
    IF EXISTS (
        WITH RECURSIVE above AS (
            SELECT NEW.parent_id AS id
            UNION
            SELECT parent.parent_id FROM categories parent JOIN above ON parent.id = above.id
        )
        SELECT 1 FROM above WHERE id = NEW.id
    ) THEN
        RAISE EXCEPTION 'a category is below itself'
            USING ERRCODE = '23514', CONSTRAINT = 'ck_categories_circle';
    END IF;
    RETURN NEW;
END $$
"""
TRIGGER = """
CREATE TRIGGER no_circle BEFORE UPDATE OF parent_id ON categories
FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION categories_have_no_circle()
"""


def upgrade() -> None:
    op.create_table(
        "categories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=5000), server_default="", nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True, precision=3),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            postgresql.TIMESTAMP(timezone=True, precision=3),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["parent_id"], ["categories.id"], name="fk_categories_parent_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
    )
    op.create_index(
        "uq_categories_name",
        "categories",
        ["parent_id", sa.literal_column("lower(name)")],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_index("ix_categories_created_at_id", "categories", ["created_at", "id"])
    op.create_index("ix_categories_name_id", "categories", ["name", "id"])
    op.create_index("ix_categories_parent_id", "categories", ["parent_id", "created_at", "id"])
    op.execute(NO_CIRCLE)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.drop_table("categories")
    op.execute("DROP FUNCTION categories_have_no_circle()")
