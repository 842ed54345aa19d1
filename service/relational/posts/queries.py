"""Queries of posts: who may see which, and the statements of the hot reads, built once."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID
from zlib import crc32

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Uuid,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from service.relational.posts.schemas import (
    EXPANDABLE,
    NESTED,
    CommentBrief,
    PostBrief,
    PostQuery,
    PostRead,
)
from service.relational.posts.tables import Comment, Post, PostTag
from service.relational.tags.tables import Tag
from service.relational.users.queries import SHOWN as SHOWN_OF_USER
from service.relational.users.queries import visible_users
from service.relational.users.tables import User
from service.stores.sql.fast_read import PreparedQuery, Projection, json_object, json_row
from service.stores.sql.lists.filters import Columns, CustomFilter, has_words
from service.stores.sql.lists.json_listing import JsonListing
from service.stores.sql.lists.listing import projection

SHOWN = projection(Post, PostRead, without=EXPANDABLE)
_AUTHOR: Projection = {"id": User.id, "username": User.username, "name": User.name}
_COMMENT = projection(Comment, CommentBrief)
_POST = projection(Post, PostBrief)
_FILTERS: Columns = {
    "author_id": Post.author_id,
    "published": Post.published,
    "slug": Post.slug,
    "views": Post.views,
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
            "q": has_words(Post.search),
        },
        source=_source(expand),
        large=_sizes(expand),
    )


@cache
def one_author(*, everybody: bool, everything: bool) -> PreparedQuery:
    """Return the query of the version, the nested posts and the JSON of ``user_id``."""
    nested: Projection = {"posts": _newest_posts(visible_posts(everything))}
    shown = select(User.version, json_row(nested), json_row({**SHOWN_OF_USER, **nested}))
    return PreparedQuery(shown.where(visible_users(everybody), User.id == bindparam("user_id")))


def nested_hash(nested: str) -> str:
    """Return what the ETag of an object has for the JSON of those nested in it."""
    return f"{crc32(nested.encode()):x}"


def _nested(expand: frozenset[str]) -> Projection:
    nested: dict[str, Any] = {}
    if "author" in expand:
        nested["author"] = _AUTHOR
    if "tags" in expand:
        nested["tags"] = _tags()
    if "comments" in expand:
        nested["comments"] = _array(_newest_comments(json_object(_COMMENT)))
    return nested


def _sizes(expand: frozenset[str]) -> Mapping[str, ColumnElement[int]]:
    """Return the bytes of large fields, which PostgreSQL knows without reading the texts."""
    sizes: dict[str, ColumnElement[int]] = {"content": func.octet_length(Post.content)}
    if "comments" in expand:
        newest = _newest_comments(func.octet_length(Comment.content).label("size")).subquery()
        sizes["comments"] = select(func.coalesce(func.sum(newest.c.size), 0)).scalar_subquery()
    return sizes


def _newest_comments(shown: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    newest = select(shown).where(Comment.post_id == Post.id).correlate(Post)
    return newest.order_by(Comment.created_at.desc(), Comment.id.desc()).limit(NESTED)


def _newest_posts(visible: ColumnElement[bool]) -> ColumnElement[Any]:
    newest = select(json_object(_POST)).where(Post.author_id == User.id, visible).correlate(User)
    return _array(newest.order_by(Post.created_at.desc(), Post.id.desc()).limit(NESTED))


def _array(rows: Select[*tuple[Any, ...]]) -> ColumnElement[Any]:
    """Return the rows as a JSON array, in their order."""
    return func.array_to_json(func.array(rows.scalar_subquery()))


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
