"""Schemas of posts, and of what is nested in them and in their authors."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, ConfigDict, Field, ValidationInfo

from service.relational.tags.schemas import TagBrief, TagName
from service.relational.users.schemas import UserRead
from service.web.bulk import Items
from service.web.lists.pagination import OffsetQuery
from service.web.lists.sorting import Sorting
from service.web.lists.values import BEFORE, FROM, FilterText, Several
from service.web.schemas import (
    EXAMPLE_ID,
    LongText,
    Moment,
    Name,
    RequestModel,
    ResponseModel,
    Search,
    StrictBool,
    Text,
    Time,
    Versioned,
)

MAX_TAGS = 20
NESTED = 20  # comments of a post, or posts of a user; their lists have the others


def _with_names(tag_ids: list[UUID], fields: ValidationInfo) -> list[UUID]:
    names = fields.data.get("tags")
    if isinstance(names, list) and len(names) + len(tag_ids) > MAX_TAGS:
        raise ValueError(f"with tags, a post has at most {MAX_TAGS} in all")
    return tag_ids


Slug = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")]
TagNames = Annotated[list[TagName], Field(max_length=MAX_TAGS)]
TagIds = Annotated[list[UUID], Field(max_length=MAX_TAGS), AfterValidator(_with_names)]


class PostCreate(RequestModel):
    """A new post. Its default slug derives from the title.

    Its tags are those that ``tags`` names, missing ones created, and those of ``tag_ids``, which
    exist; at most 20 in all. It is the caller's own, unless one with ``posts:admin`` names another
    author.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "title": "Two stores, one API",
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
    tag_ids: TagIds = []


class PostUpdate(RequestModel):
    """A merge patch: an absent field is unchanged.

    ``published`` does what POST …/publish and …/unpublish do. ``tags`` and ``tag_ids``, one or
    both, replace all tags.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"title": "Two stores, one API", "published": True}}
    )

    title: Name | MISSING = MISSING
    slug: Slug | MISSING = MISSING
    content: LongText | MISSING = MISSING
    published: StrictBool | MISSING = MISSING
    tags: TagNames | MISSING = MISSING
    tag_ids: TagIds | MISSING = MISSING


class AuthorBrief(ResponseModel):
    """An author, nested in a post."""

    id: UUID
    username: str
    name: str | None


class CommentBrief(ResponseModel):
    """A comment, nested in its post."""

    id: UUID
    author_id: UUID
    content: str
    created_at: Moment
    updated_at: Moment


EXPANDABLE = ("author", "tags", "comments")
EXPANSIONS = "`author`, `tags`, `comments`, or several separated by commas: nests them"


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
    comments: list[CommentBrief] | MISSING = Field(
        MISSING, description=f"the newest {NESTED}; GET /v1/posts/{{post_id}}/comments has all"
    )

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
        raise ValueError("names author, tags, comments or several of them, separated by commas")
    return expand


_NAME = f"({'|'.join(EXPANDABLE)})"
Expand = Annotated[
    str, AfterValidator(_known), Field(json_schema_extra={"pattern": f"^{_NAME}(,{_NAME})*$"})
]


class PostExpand(RequestModel):
    expand: Expand | None = Field(None, description=EXPANSIONS)


class PostsOfQuery(OffsetQuery):
    """Query of the list of one user's posts."""

    sort: Annotated[str, Sorting("created_at", "views", then=["title"], committed=True)] = (
        "-created_at"
    )
    q: Search | None = Field(
        None,
        description='words of title or content, as in a search engine: `motor -"end of life"`',
    )
    tag: Text | None = Field(None, max_length=60, description="a tag's name, in any case")
    slug: FilterText | None = Field(None, description="the whole slug")
    published: bool | None = Field(None, description="published posts alone, or drafts alone")
    views__gte: int | None = Field(None, ge=0, le=2**63 - 1, description="at least so many views")
    views__lte: int | None = Field(None, ge=0, le=2**63 - 1, description="at most so many views")
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
    expand: Expand | None = Field(None, description=EXPANSIONS)


class PostQuery(PostsOfQuery):
    author_id: UUID | None = Field(None, description="posts of this user")
    author_id__in: Several[UUID] | None = None


class PostBrief(ResponseModel):
    """A post without its content, nested in its author."""

    id: UUID
    title: str
    slug: str
    published: bool
    published_at: Moment | None
    views: int
    version: int
    created_at: Moment
    updated_at: Moment


class AuthorRead(UserRead):
    """A user, and with `expand=posts` what the caller may see of their posts."""

    posts: list[PostBrief] | MISSING = Field(
        MISSING, description=f"the newest {NESTED}; GET /v1/users/{{user_id}}/posts has all"
    )


class AuthorExpand(RequestModel):
    expand: Literal["posts"] | None = Field(None, description="`posts`: nests the newest posts")
