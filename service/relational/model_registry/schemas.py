"""Schemas of registered models."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field

from service.relational.experiments.schemas import Key
from service.relational.model_registry.rules import (
    ModelName,
    Stage,
    TagValue,
    VersionNumber,
)
from service.web.lists.pagination import ListQuery
from service.web.schemas import ExactText, Moment, RequestModel, Versioned

MAX_TAGS = 100  # of one request
FILTER_CHARS = 2000
Description = Annotated[ExactText, Field(max_length=5000)]
Tags = Annotated[dict[Key, TagValue], Field(max_length=MAX_TAGS)]
ChangedTags = Annotated[dict[Key, TagValue | None], Field(max_length=MAX_TAGS)]


class RegisteredModelCreate(RequestModel):
    """A new registered model; ``project_id`` makes it one that the project's members alone see."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "fraud", "tags": {"team": "payments"}}}
    )

    name: ModelName
    description: Description | None = None
    project_id: UUID | None = None
    tags: Tags = {}


class RegisteredModelUpdate(RequestModel):
    """A merge patch: an absent field is unchanged; null removes a tag."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"description": "Scores payments.", "tags": {"team": None}}}
    )

    name: ModelName | MISSING = MISSING
    description: Description | None | MISSING = MISSING
    project_id: UUID | None | MISSING = MISSING
    tags: ChangedTags | MISSING = MISSING


class RegisteredModelRead(Versioned):
    """A registered model; ``updated_at`` is its last change, other than of tags and aliases."""

    id: UUID
    name: str
    description: str | None
    project_id: UUID | None
    tags: dict[str, str]
    aliases: dict[str, int] = Field(description="the number of the version of each alias")
    latest_versions: dict[Stage, int] = Field(description="the greatest number in each stage")
    created_at: Moment
    updated_at: Moment


class RegisteredModelQuery(ListQuery):
    sort: Literal["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"] = (
        "name"
    )
    name: ModelName | None = Field(None, description="the one of this name")
    project_id: UUID | None = Field(None, description="those of this project")
    filter: Annotated[ExactText, Field(min_length=1, max_length=FILTER_CHARS)] | None = Field(
        None,
        description="in the search language, such as name LIKE 'fraud%' AND tags.team = 'payments';"
        " prompts are found where it asks for them",
    )


class AliasUpdate(RequestModel):
    """The version that an alias names from now on."""

    model_config = ConfigDict(json_schema_extra={"example": {"number": 3}})

    number: VersionNumber
