"""Schemas of the versions of registered models."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    MISSING,
    AfterValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from service.relational.model_registry.rules import SERVING, Stage, run_text, shown_id
from service.relational.model_registry.schemas import ChangedTags, Description, Tags
from service.web.lists.pagination import ListQuery
from service.web.schemas import EXAMPLE_ID, ExactText, Moment, RequestModel, StrictBool, Versioned

Address = Annotated[ExactText, Field(min_length=1, max_length=2000)]
OwnerId = Annotated[ExactText, Field(min_length=1, max_length=256)]
ShownId = Annotated[str | None, PlainSerializer(shown_id)]


class VersionCreate(RequestModel):
    """A new version: of a run and a path below its artifacts, or of a ``source``.

    ``source`` is where the model's files are: ``s3://…``, ``runs:/<run>/path`` or
    ``models:/name/3``. What is within this service belongs to the run or logged model named beside.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"run_id": EXAMPLE_ID, "artifact_path": "model"}}
    )

    source: Address | None = None
    run_id: OwnerId | None = None
    artifact_path: Annotated[ExactText, Field(max_length=1000)] | None = None
    logged_model_id: OwnerId | None = None
    run_link: Address | None = None
    description: Description | None = None
    tags: Tags = {}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.source is None and self.run_id is None and self.logged_model_id is None:
            raise ValueError("needs a source, a run_id or a logged_model_id")
        if self.artifact_path is not None and (self.source is not None or self.run_id is None):
            raise ValueError("takes an artifact_path only with a run_id and without a source")
        return self


class VersionUpdate(RequestModel):
    """A merge patch: an absent field is unchanged; null removes a tag.

    ``archive_existing`` moves the other versions of the new stage to Archived.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"stage": "Production", "archive_existing": True}}
    )

    stage: Stage | MISSING = MISSING
    archive_existing: StrictBool = False
    description: Description | None | MISSING = MISSING
    tags: ChangedTags | MISSING = MISSING

    @model_validator(mode="after")
    def _archives_serving(self) -> Self:
        if self.archive_existing and self.stage not in SERVING:
            raise ValueError("takes archive_existing only with stage Staging or Production")
        return self


class VersionRead(Versioned):
    """A version; ``version`` counts its changes, ``number`` is its place among the model's.

    ``updated_at`` is its last change, other than of tags and aliases.
    """

    id: UUID
    model_id: UUID
    name: str = Field(description="of the registered model")
    number: int
    stage: Stage
    aliases: list[str]
    source: str = Field(description="what was registered")
    location: str = Field(description="where its files are")
    run_id: ShownId
    run_link: str | None
    logged_model_id: ShownId
    status: Literal["READY", "PENDING_REGISTRATION", "FAILED_REGISTRATION"]
    status_message: str | None
    description: str | None
    tags: dict[str, str]
    created_at: Moment
    updated_at: Moment


class VersionQuery(ListQuery):
    sort: Literal["number", "-number", "created_at", "-created_at", "updated_at", "-updated_at"] = (
        "-number"
    )
    stage: Stage | None = Field(None, description="those in this stage")
    run_id: Annotated[OwnerId, AfterValidator(run_text)] | None = Field(
        None, description="those of this run"
    )
