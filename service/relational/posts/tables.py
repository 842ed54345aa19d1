"""Tables of posts, comments and their tags."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.relational.tags.tables import Tag
from service.relational.users.tables import User
from service.stores.sql.base import Base, Followed, VersionedTable, search_vector


class Post(Followed, VersionedTable):
    """A text by a user; published ones have a date."""

    __tablename__ = "posts"

    author_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", name="fk_posts_author_id", ondelete="CASCADE")
    )
    title: Mapped[str] = mapped_column(String(200))
    slug: Mapped[str] = mapped_column(String(120))
    content: Mapped[str] = mapped_column(String(100_000))
    published: Mapped[bool] = mapped_column(server_default=text("false"))
    published_at: Mapped[datetime | None]
    views: Mapped[int] = mapped_column(BigInteger, server_default="0")
    author: Mapped[User] = relationship(lazy="raise")
    tags: Mapped[list[Tag]] = relationship(
        secondary="post_tags", order_by=Tag.name, lazy="raise", viewonly=True
    )
    search: Mapped[Any] = search_vector()

    __table_args__ = (
        CheckConstraint("published = (published_at IS NOT NULL)", name="published_has_date"),
        CheckConstraint("views >= 0", name="views"),
        CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug"),
        Index("uq_posts_slug", "slug", unique=True),
        Index("ix_posts_created_at_id", "created_at", "id"),
        Index("ix_posts_created_xid_id", "created_xid", "id"),
        Index("ix_posts_author_id", "author_id", "created_at", "id"),
        Index("ix_posts_published", "published", "created_at", "id"),
        Index("ix_posts_published_at", "published_at", postgresql_where=text("published")),
        Index("ix_posts_views_id", "views", "id"),
        Index("ix_posts_search", "search", postgresql_using="gin"),
    )


class PostTag(Base):
    """The tags of posts."""

    __tablename__ = "post_tags"

    post_id: Mapped[UUID] = mapped_column(
        ForeignKey("posts.id", name="fk_post_tags_post_id", ondelete="CASCADE"), primary_key=True
    )
    tag_id: Mapped[UUID] = mapped_column(
        ForeignKey("tags.id", name="fk_post_tags_tag_id", ondelete="CASCADE"), primary_key=True
    )

    __table_args__ = (Index("ix_post_tags_tag_id", "tag_id", "post_id"),)


class Comment(VersionedTable):
    """A comment by a user on a post."""

    __tablename__ = "comments"

    post_id: Mapped[UUID] = mapped_column(
        ForeignKey("posts.id", name="fk_comments_post_id", ondelete="CASCADE")
    )
    author_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", name="fk_comments_author_id", ondelete="CASCADE")
    )
    content: Mapped[str] = mapped_column(String(10_000))
    post: Mapped[Post] = relationship(lazy="raise")
    author: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        Index("ix_comments_post_id", "post_id", "created_at", "id"),
        Index("ix_comments_author_id", "author_id"),
    )
