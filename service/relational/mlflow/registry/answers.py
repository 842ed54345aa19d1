"""Responses of MLflow's addresses of the registry. Times are in milliseconds since 1970."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Self

from service.relational.model_registry.schemas import RegisteredModelRead
from service.relational.model_registry.version_schemas import VersionRead
from service.web.mlflow.messages import MlflowResponse


class Done(MlflowResponse):
    """An empty object."""


class Tag(MlflowResponse):
    key: str
    value: str


class AliasOf(MlflowResponse):
    alias: str
    version: str


class ModelVersion(MlflowResponse):
    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str
    description: str | None
    source: str
    run_id: str | None
    run_link: str | None
    status: str
    status_message: str | None
    tags: list[Tag] | None
    aliases: list[str] | None
    model_id: str | None

    @classmethod
    def of(cls, version: VersionRead) -> Self:
        return cls(
            name=version.name,
            version=str(version.number),
            creation_timestamp=milliseconds(version.created_at),
            last_updated_timestamp=milliseconds(version.updated_at),
            current_stage=version.stage,
            description=version.description,
            source=version.source,
            run_id=version.run_id,
            run_link=version.run_link,
            status=version.status,
            status_message=version.status_message,
            tags=_tags(version.tags),
            aliases=version.aliases or None,
            model_id=version.logged_model_id,
        )


class RegisteredModel(MlflowResponse):
    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str | None
    latest_versions: list[ModelVersion] | None
    tags: list[Tag] | None
    aliases: list[AliasOf] | None

    @classmethod
    def of(cls, model: RegisteredModelRead, latest: Iterable[VersionRead] = ()) -> Self:
        aliases = [
            AliasOf(alias=alias, version=str(number)) for alias, number in model.aliases.items()
        ]
        return cls(
            name=model.name,
            creation_timestamp=milliseconds(model.created_at),
            last_updated_timestamp=milliseconds(model.updated_at),
            description=model.description,
            latest_versions=[ModelVersion.of(version) for version in latest] or None,
            tags=_tags(model.tags),
            aliases=aliases or None,
        )


class ModelAnswer(MlflowResponse):
    registered_model: RegisteredModel


class ModelsFound(MlflowResponse):
    registered_models: list[RegisteredModel] | None
    next_page_token: str | None


class VersionAnswer(MlflowResponse):
    model_version: ModelVersion


class VersionsFound(MlflowResponse):
    model_versions: list[ModelVersion] | None
    next_page_token: str | None = None


class ArtifactUri(MlflowResponse):
    artifact_uri: str


def _tags(tags: Mapping[str, str]) -> list[Tag] | None:
    return [Tag(key=key, value=value) for key, value in tags.items()] or None


def milliseconds(time: datetime) -> int:
    """Return a time in milliseconds since 1970."""
    return round(time.timestamp() * 1000)
