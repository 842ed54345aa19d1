"""Queries of posts: who may see which, and the statements of the hot reads, built once."""

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

from service.relational.posts.schemas import EXPANDABLE, PostQuery, PostRead
from service.relational.posts.tables import Post, PostTag
from service.relational.tags.tables import Tag
from service.relational.users.tables import User
from service.stores.sql.fast_read import PreparedQuery, Projection, json_row
from service.stores.sql.filters import Columns, CustomFilter, limit_negations
from service.stores.sql.json_listing import JsonListing
from service.stores.sql.listing import projection

SHOWN = projection(Post, PostRead, without=EXPANDABLE)
_AUTHOR: Projection = {"id": User.id, "username": User.username, "name": User.name}
_FILTERS: Columns = {
    "author_id": Post.author_id,
    "published": Post.published,
    "created_at": Post.created_at,
}


def visible_posts(everything: bool, caller_id: UUID | None = None) -> ColumnElement[bool]:
    """Return the condition of the posts that a caller may see: all, or published and own posts.

    A post of a deleted user is not published. Lists and single reads share the condition. Without
    ``caller_id`` it is a parameter of that name.
    """
    if everything:
        return true()
    return (Post.published & _author_is_present()) | _written_by(caller_id)


def _author_is_present() -> ColumnElement[bool]:
    """Return whether the author was not deleted: a look-up in ``ix_users_deleted_id`` for each row.

    A join or EXISTS reads the author of each row, or all deleted users for one page. A flag in the
    posts costs less than this, and a user with 20,000 posts then took 8 s to delete (measured).
    """
    deleted = select(User.id).where(User.id == Post.author_id, User.deleted_at.is_not(None))
    # Not IS NULL, of which the planner expects one row in 200: it would sort all rows of an author.
    return Post.author_id.is_distinct_from(deleted.correlate(Post).scalar_subquery())


def _written_by(caller_id: UUID | None = None) -> ColumnElement[bool]:
    return Post.author_id == bindparam("caller_id", caller_id)


@cache
def one_post(expand: frozenset[str], *, everything: bool) -> PreparedQuery:
    """Return the query of version, views, nested objects and the JSON of ``post_id``."""
    nested = _nested(expand)
    shown: Select[*tuple[Any, ...]] = select(
        Post.version, Post.views, json_row(nested), json_row({**SHOWN, **nested})
    ).select_from(_source(expand))
    return PreparedQuery(shown.where(visible_posts(everything), Post.id == bindparam("post_id")))


@cache
def posts(expand: frozenset[str], *, everything: bool, drafts: bool) -> JsonListing:
    """Return the list of posts; the value of its filter ``tag`` is the id of a tag.

    A caller who lists drafts sees their own alone, which are found by their author.
    """
    own_drafts = drafts and not everything
    return JsonListing(
        Post,
        PostQuery,
        {**SHOWN, **_nested(expand)},
        where=_written_by() if own_drafts else visible_posts(everything),
        filters=_FILTERS,
        custom={
            "tag": CustomFilter(_has_tag, Uuid),
            "q": CustomFilter(_matches_words, Text, limit_negations),
        },
        source=_source(expand),
        large=Post.__table__.c.content,
    )


def _nested(expand: frozenset[str]) -> Projection:
    nested: dict[str, Any] = {}
    if "author" in expand:
        nested["author"] = _AUTHOR
    if "tags" in expand:
        nested["tags"] = _tags()
    return nested


def _tags() -> ColumnElement[Any]:
    """Return the tags of a post as JSON, sorted by name."""
    brief = func.json_build_object("id", Tag.id, "name", Tag.name)
    tags = select(func.json_agg(aggregate_order_by(brief, Tag.name)))
    tags = tags.join(PostTag, PostTag.tag_id == Tag.id).where(PostTag.post_id == Post.id)
    return func.coalesce(tags.correlate(Post).scalar_subquery(), literal_column("'[]'::json"))


def _source(expand: frozenset[str]) -> FromClause:
    posts: FromClause = Post.__table__
    return posts.join(User, User.id == Post.author_id) if "author" in expand else posts


def _has_tag(tag_id: Any) -> ColumnElement[bool]:
    """Return whether a post has the tag.

    The planner knows the id, because a tag of half of all posts needs another plan.
    """
    return exists().where(PostTag.post_id == Post.id, PostTag.tag_id == tag_id)


def _matches_words(words: Any) -> ColumnElement[bool]:
    matches: ColumnElement[bool] = Post.search.bool_op("@@")(
        func.websearch_to_tsquery("english", words)
    )
    return matches
