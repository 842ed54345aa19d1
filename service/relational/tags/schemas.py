"""Schemas of tags."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field

from service.web.bulk import Items
from service.web.pagination import OffsetQuery
from service.web.schemas import Moment, RequestModel, ResponseModel, Text, Versioned

TagName = Annotated[Text, Field(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$")]


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
    sort: Literal["name", "-name", "created_at", "-created_at"] = "name"
    name__prefix: Text | None = Field(None, description="the beginning of the name, in any case")
