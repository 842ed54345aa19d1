"""What is shown of posts: statements built once, whose rows are the JSON that goes out."""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    Uuid,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from service.relational.posts.schemas import EXPANDABLE, PostRead
from service.relational.posts.tables import Post, PostTag
from service.relational.tags.tables import Tag
from service.relational.users.tables import User
from service.stores.sql.base import columns
from service.stores.sql.fast_read import PreparedQuery, Projection, json_row
from service.stores.sql.listing import CustomFilter, SqlListing
from service.stores.sql.rows import Columns

COLUMNS = columns(
    *(getattr(Post, name) for name in PostRead.model_fields if name not in EXPANDABLE)
)
_SHOWN: Projection = {each.name: each for each in COLUMNS}
_AUTHOR: Projection = {"id": User.id, "username": User.username, "name": User.name}
_FILTERED: Columns = {
    "author_id": Post.author_id,
    "published": Post.published,
    "created_at": Post.created_at,
}


def _tags() -> ColumnElement[Any]:
    """The tags of a post, by name."""
    brief = func.json_build_object("id", Tag.id, "name", Tag.name)
    found = select(func.json_agg(aggregate_order_by(brief, Tag.name)))
    found = found.join(PostTag, PostTag.tag_id == Tag.id).where(PostTag.post_id == Post.id)
    return func.coalesce(found.correlate(Post).scalar_subquery(), literal_column("'[]'::json"))


def _nested(expand: frozenset[str]) -> Projection:
    nested: dict[str, Any] = {}
    if "author" in expand:
        nested["author"] = _AUTHOR
    if "tags" in expand:
        nested["tags"] = _tags()
    return nested


def _source(expand: frozenset[str]) -> FromClause:
    posts: FromClause = Post.__table__
    return posts.join(User, User.id == Post.author_id) if "author" in expand else posts


def visible_posts(everything: bool, caller_id: UUID | None = None) -> ColumnElement[bool]:
    """Return the condition of the posts that a caller may see: all, or published and own posts.

    Lists and single reads share it. Without ``caller_id`` it is a parameter of that name.
    """
    return true() if everything else Post.published | _written_by(caller_id)


def _written_by(caller_id: UUID | None = None) -> ColumnElement[bool]:
    return Post.author_id == bindparam("caller_id", caller_id)


@cache
def one_post(expand: frozenset[str], *, everything: bool) -> PreparedQuery:
    """Version, views, what is nested and the whole JSON of ``post_id``."""
    nested = _nested(expand)
    shown: Select[*tuple[Any, ...]] = select(
        Post.version, Post.views, json_row(nested), json_row({**_SHOWN, **nested})
    ).select_from(_source(expand))
    return PreparedQuery(shown.where(visible_posts(everything), Post.id == bindparam("post_id")))


@cache
def posts(expand: frozenset[str], *, everything: bool, drafts: bool) -> SqlListing:
    """Of drafts one sees one's own, which are found by their author and not among all drafts.

    The value of ``tag`` is the id of one.
    """
    own_drafts = drafts and not everything
    return SqlListing(
        Post,
        {**_SHOWN, **_nested(expand)},
        where=_written_by() if own_drafts else visible_posts(everything),
        filters=_FILTERED,
        special={"tag": CustomFilter(_filed_under, Uuid), "q": CustomFilter(_says, Text)},
        source=_source(expand),
    )


def _filed_under(tag_id: Any) -> ColumnElement[bool]:
    """Known before it is planned: half of all posts are found otherwise than a few."""
    return exists().where(PostTag.post_id == Post.id, PostTag.tag_id == tag_id)


def _says(words: Any) -> ColumnElement[bool]:
    says: ColumnElement[bool] = Post.search.bool_op("@@")(
        func.websearch_to_tsquery("english", words)
    )
    return says
