"""Schemas of posts and comments."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, ConfigDict, Field

from service.relational.tags.schemas import TagBrief, TagName
from service.web.bulk import Items
from service.web.pagination import OffsetQuery
from service.web.schemas import (
    EXAMPLE_ID,
    LongText,
    Moment,
    Name,
    RequestModel,
    ResponseModel,
    StrictBool,
    Text,
    Time,
    Versioned,
)

Slug = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")]
TagNames = Annotated[list[TagName], Field(max_length=20)]
CommentText = Annotated[Text, Field(min_length=1, max_length=10_000)]


class PostCreate(RequestModel):
    """A new post. Its default slug derives from the title; missing tags are created.

    It is the caller's own, unless one with ``posts:admin`` names another author.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "title": "Two stores, one house",
                "content": "Rows here, documents there.",
                "tags": ["databases"],
            }
        }
    )

    author_id: UUID | None = None
    title: Name
    slug: Slug | None = None
    content: LongText = ""
    published: StrictBool = False
    tags: TagNames = []


class PostUpdate(RequestModel):
    """A merge patch: an absent field is unchanged; ``tags`` replaces all tags."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"title": "Two stores, one API", "tags": []}}
    )

    title: Name | MISSING = MISSING
    slug: Slug | MISSING = MISSING
    content: LongText | MISSING = MISSING
    tags: TagNames | MISSING = MISSING


class AuthorBrief(ResponseModel):
    """An author, nested in a post."""

    id: UUID
    username: str
    name: str | None


EXPANDABLE = ("author", "tags")


class PostRead(Versioned):
    id: UUID
    author_id: UUID
    title: str
    slug: str
    content: str
    published: bool
    published_at: Moment | None
    views: int
    created_at: Moment
    updated_at: Moment
    author: AuthorBrief | MISSING = MISSING
    tags: list[TagBrief] | MISSING = MISSING

    def etag_value(self) -> str:
        return f"{self.version}.{self.views}"


class PostsCreate(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={"example": {"items": [{"title": "One"}, {"title": "Another"}]}}
    )

    items: Items[PostCreate]


class PostIds(RequestModel):
    """The ids of posts."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE_ID]}})

    items: Items[UUID]


class PostsRead(ResponseModel):
    """The posts that a bulk request created or changed, in its order."""

    items: Sequence[PostRead]


def _known(expand: str) -> str:
    unknown = set(expand.split(",")) - set(EXPANDABLE)
    if unknown:
        raise ValueError("names author, tags or both, separated by a comma")
    return expand


Expand = Annotated[str, AfterValidator(_known)]


class PostExpand(RequestModel):
    expand: Expand | None = Field(None, description="`author`, `tags` or `author,tags`: nests them")


class PostsOfQuery(OffsetQuery):
    """Query of the list of one user's posts."""

    sort: Literal["created_at", "-created_at", "views", "-views", "committed"] = "-created_at"
    q: Text | None = Field(
        None,
        min_length=1,
        max_length=200,
        description='words of title or content, as in a search engine: `motor -"end of life"`',
    )
    tag: Text | None = Field(None, max_length=60, description="a tag's name, in any case")
    published: bool | None = None
    created_at__gte: Time | None = None
    created_at__lt: Time | None = None
    expand: Expand | None = Field(None, description="`author`, `tags` or `author,tags`: nests them")


class PostQuery(PostsOfQuery):
    author_id: UUID | None = None


class CommentCreate(RequestModel):
    """A new comment of the caller, or of another user with ``comments:admin``."""

    model_config = ConfigDict(json_schema_extra={"example": {"content": "Clearly written."}})

    author_id: UUID | None = None
    content: CommentText


class CommentUpdate(RequestModel):
    """A merge patch: an absent field is unchanged."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"content": "Clearly written, and true."}}
    )

    content: CommentText | MISSING = MISSING


class CommentRead(Versioned):
    id: UUID
    post_id: UUID
    author_id: UUID
    content: str
    created_at: Moment
    updated_at: Moment


class CommentQuery(OffsetQuery):
    sort: Literal["created_at", "-created_at"] = "created_at"
