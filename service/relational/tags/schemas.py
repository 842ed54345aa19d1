"""Schemas of tags."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field

from service.web.bulk import Items
from service.web.lists.pagination import OffsetQuery
from service.web.lists.sorting import Sorting
from service.web.lists.values import BEFORE, FROM, FilterText, Several
from service.web.schemas import (
    Moment,
    RequestModel,
    ResponseModel,
    Search,
    Time,
    Versioned,
    VisibleText,
)

TagName = Annotated[VisibleText, Field(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$")]


class TagCreate(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"name": "databases"}})

    name: TagName


class TagUpdate(RequestModel):
    """A merge patch: an absent field is unchanged."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "storage"}})

    name: TagName | MISSING = MISSING


class TagRead(Versioned):
    id: UUID
    name: str
    created_at: Moment
    updated_at: Moment


class TagsPut(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={"example": {"items": [{"name": "databases"}, {"name": "python"}]}}
    )

    items: Items[TagCreate]


class TagsRead(ResponseModel):
    """The tags that a bulk request named, in its order."""

    items: Sequence[TagRead]


class TagBrief(ResponseModel):
    """A tag, nested in another object."""

    id: UUID
    name: str


class TagQuery(OffsetQuery):
    sort: Annotated[str, Sorting("name", "created_at")] = "name"
    q: Search | None = Field(None, description="parts of words of the name")
    name: FilterText | None = Field(None, description="the whole name, in any case")
    name__in: Several[FilterText] | None = None
    name__prefix: FilterText | None = Field(
        None, description="the beginning of the name, in any case"
    )
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
