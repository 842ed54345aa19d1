"""Create posts and post_tags.

Texts by users, with full-text search and tags.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "202611201203"
down_revision = "202611201202"
branch_labels = None
depends_on = None
PHASE = "expand"


def upgrade() -> None:
    op.create_table(
        "posts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("slug", sa.String(length=120), nullable=False),
        sa.Column("content", sa.String(length=100000), nullable=False),
        sa.Column("published", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True, precision=3), nullable=True),
        sa.Column("views", sa.BigInteger(), server_default="0", nullable=False),
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
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed("to_tsvector('english', title || ' ' || content)", persisted=True),
            nullable=False,
        ),
        sa.CheckConstraint(
            "published = (published_at IS NOT NULL)", name=op.f("ck_posts_published_has_date")
        ),
        sa.CheckConstraint("views >= 0", name=op.f("ck_posts_views")),
        sa.ForeignKeyConstraint(["author_id"], ["users.id"], name="fk_posts_author_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
    )
    op.create_index("ix_posts_author_id", "posts", ["author_id", "created_at", "id"], unique=False)
    op.create_index("ix_posts_created_at_id", "posts", ["created_at", "id"], unique=False)
    op.create_index("ix_posts_published", "posts", ["published", "created_at", "id"], unique=False)
    op.create_index("ix_posts_search", "posts", ["search"], unique=False, postgresql_using="gin")
    op.create_index("ix_posts_views_id", "posts", ["views", "id"], unique=False)
    op.create_index("uq_posts_slug", "posts", ["slug"], unique=True)
    op.create_table(
        "post_tags",
        sa.Column("post_id", sa.Uuid(), nullable=False),
        sa.Column("tag_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name="fk_post_tags_post_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name="fk_post_tags_tag_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "tag_id", name=op.f("pk_post_tags")),
    )
    op.create_index("ix_post_tags_tag_id", "post_tags", ["tag_id", "post_id"], unique=False)


def downgrade() -> None:
    op.drop_table("post_tags")
    op.drop_table("posts")
