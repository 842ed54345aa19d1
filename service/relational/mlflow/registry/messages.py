"""Requests of MLflow's addresses of the registry."""

from typing import Annotated

from pydantic import AfterValidator, Field

from service.relational.model_registry.rules import (
    MAX_NUMBER,
    MAX_VALUE,
    STAGES,
    Alias,
    ModelName,
    Stage,
)
from service.web.mlflow.messages import MlflowRequest
from service.web.mlflow.values import Int64, Key, OrderBy, Text

MAX_MODELS, DEFAULT_MODELS = 1000, 100
MAX_VERSIONS, DEFAULT_VERSIONS = 200_000, 10_000
MAX_TAGS = 1000
MAX_STAGES = 20  # there are four, and one may be repeated


def _known(number: int) -> int:
    """Return the number; 0, which no version has, for one that PostgreSQL cannot hold."""
    return number if 1 <= number <= MAX_NUMBER else 0


def _stage(text: str) -> Stage:
    stage = STAGES.get(text.lower())
    if stage is None:
        raise ValueError(f"must be one of {', '.join(STAGES.values())}")
    return stage


Number = Annotated[Int64, AfterValidator(_known)]
AnyStage = Annotated[str, AfterValidator(_stage)]
TagValue = Annotated[Text, Field(max_length=MAX_VALUE)]
Description = Annotated[Text, Field(max_length=5000)]
Address = Annotated[Text, Field(max_length=2000)]
OwnerId = Annotated[Text, Field(max_length=256)]


class TagSent(MlflowRequest):
    key: Key
    value: TagValue | None = None


Tags = Annotated[list[TagSent], Field(max_length=MAX_TAGS)]


def tags_of(sent: list[TagSent] | None) -> dict[str, str]:
    """Return tags by key; of a key that is sent twice, the last value counts."""
    return {tag.key: tag.value or "" for tag in sent or ()}


class ModelNamed(MlflowRequest):
    """Names the registered model to get or delete."""

    name: ModelName


class ModelCreate(ModelNamed):
    tags: Tags | None = None
    description: Description | None = None


class ModelRename(ModelNamed):
    new_name: ModelName


class ModelUpdate(ModelNamed):
    description: Description | None = None


class Search(MlflowRequest):
    filter: Text | None = None
    order_by: OrderBy | None = None
    page_token: Text | None = None


class ModelSearch(Search):
    max_results: Annotated[Int64, Field(ge=1, le=MAX_MODELS)] = DEFAULT_MODELS


class ModelSetTag(ModelNamed):
    key: Key
    value: TagValue | None = None


class ModelDeleteTag(ModelNamed):
    key: Text


class AliasSet(ModelNamed):
    alias: Alias
    version: Number


class AliasNamed(ModelNamed):
    alias: Annotated[Text, Field(min_length=1)]


class LatestWanted(ModelNamed):
    stages: list[AnyStage] | None = Field(None, max_length=MAX_STAGES)


class VersionCreate(ModelNamed):
    source: Annotated[Address, Field(min_length=1)]
    run_id: OwnerId | None = None
    tags: Tags | None = None
    run_link: Address | None = None
    description: Description | None = None
    model_id: OwnerId | None = None


class VersionNamed(ModelNamed):
    """Names the version to get or delete."""

    version: Number


class VersionUpdate(VersionNamed):
    description: Description | None = None


class VersionSearch(Search):
    max_results: Annotated[Int64, Field(ge=1, le=MAX_VERSIONS)] = DEFAULT_VERSIONS


class VersionSetTag(VersionNamed):
    key: Key
    value: TagValue | None = None


class VersionDeleteTag(VersionNamed):
    key: Text


class StageTransition(VersionNamed):
    stage: AnyStage
    archive_existing_versions: bool | None = None
