"""Schemas of experiments, and the keys and texts that runs have too."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, ConfigDict, Field

from service.web.lists.pagination import ListQuery
from service.web.schemas import ExactText, Moment, RequestModel, Versioned
from service.web.text import usable_key

MAX_KEY = 250
MAX_TAGS = 100
MAX_EXPERIMENT_TAG = 20_000
OWN_SCHEME = "mlflow-artifacts:"


def usable_location(location: str) -> str:
    """Return the address below which clients store artifacts themselves.

    Raises:
        ValueError: it is of the service, which names such addresses itself, or of a run.
    """
    if location.startswith((OWN_SCHEME, "runs:")):
        raise ValueError(
            "must be of another store, such as s3://bucket/path; null keeps artifacts here"
        )
    return location


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY), AfterValidator(usable_key)]
ExperimentName = Annotated[ExactText, Field(min_length=1, max_length=500)]
ExperimentTagValue = Annotated[ExactText, Field(max_length=MAX_EXPERIMENT_TAG)]
ArtifactLocation = Annotated[
    ExactText, Field(min_length=1, max_length=2000), AfterValidator(usable_location)
]
Goals = Annotated[dict[Key, Literal["minimize", "maximize"]], Field(max_length=100)]
ExperimentTags = Annotated[dict[Key, ExperimentTagValue], Field(max_length=MAX_TAGS)]


class ExperimentCreate(RequestModel):
    """A new experiment; shared by all who have the scope, unless it is of a project."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"name": "churn", "goals": {"val_loss": "minimize"}, "tags": {"team": "A"}}
        }
    )

    name: ExperimentName
    project_id: UUID | None = Field(None, description="its members alone see the experiment")
    artifact_location: ArtifactLocation | None = Field(
        None, description="where clients store artifacts themselves; null keeps them here"
    )
    goals: Goals = Field({}, description="by the key of a metric, which value is the best")
    tags: ExperimentTags = {}


class ExperimentUpdate(RequestModel):
    """A merge patch: an absent field is unchanged."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "churn 2026"}})

    name: ExperimentName | MISSING = MISSING
    project_id: UUID | None | MISSING = MISSING
    goals: Goals | MISSING = MISSING


class ExperimentTagWrite(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"value": "A"}})

    value: ExperimentTagValue


class ExperimentRead(Versioned):
    """An experiment; a change of its tags is a change of the experiment."""

    id: UUID
    name: str
    project_id: UUID | None
    artifact_location: str | None
    goals: dict[str, str]
    tags: dict[str, str]
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None


class ExperimentQuery(ListQuery):
    sort: Literal["created_at", "-created_at", "name", "-name"] = "-created_at"
    name: ExperimentName | None = Field(None, description="the one with this name")
    project_id: UUID | None = Field(None, description="those of this project")
    deleted: bool = Field(False, description="list deleted experiments instead")
