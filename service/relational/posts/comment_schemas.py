"""Schemas of comments."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field

from service.web.lists.pagination import OffsetQuery
from service.web.lists.values import BEFORE, FROM
from service.web.schemas import Moment, RequestModel, Text, Time, Versioned

CommentText = Annotated[Text, Field(min_length=1, max_length=10_000)]


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
    author_id: UUID | None = Field(None, description="comments of this user")
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
