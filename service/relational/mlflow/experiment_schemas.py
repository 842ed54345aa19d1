"""Requests of MLflow's addresses of experiments, and an experiment as it is answered."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field

from service.relational.experiments.schemas import (
    MAX_TAGS,
    ArtifactLocation,
    ExperimentName,
    ExperimentTagValue,
)
from service.relational.experiments.schemas import ExperimentCreate as NewExperiment
from service.relational.experiments.schemas import ExperimentRead as StoredExperiment
from service.relational.mlflow.ids import experiment_text
from service.relational.mlflow.times import milliseconds
from service.web.mlflow.messages import MlflowRequest, MlflowResponse
from service.web.mlflow.values import Key, OrderBy, PageSize, Text, ViewType

Id = Annotated[Text, Field(min_length=1)]
# Clients send an empty location for none.
Location = Annotated[ArtifactLocation | None, BeforeValidator(lambda text: text or None)]


class ExperimentTag(MlflowRequest):
    key: Key
    value: ExperimentTagValue | None = None


class ExperimentCreate(MlflowRequest):
    name: ExperimentName
    artifact_location: Location = None
    tags: list[ExperimentTag] | None = Field(None, max_length=MAX_TAGS)

    def as_new(self) -> NewExperiment:
        """Return the experiment to create; the last of several tags of one key counts."""
        tags = {tag.key: tag.value or "" for tag in self.tags or ()}
        return NewExperiment(name=self.name, artifact_location=self.artifact_location, tags=tags)


class ExperimentWanted(MlflowRequest):
    """Names the experiment to get, delete or restore."""

    experiment_id: Id


class ExperimentByName(MlflowRequest):
    experiment_name: Text


class ExperimentsSearch(MlflowRequest):
    max_results: PageSize
    page_token: Text | None = None
    filter: Text | None = None
    order_by: OrderBy | None = None
    view_type: ViewType | None = None


class ExperimentUpdate(ExperimentWanted):
    new_name: ExperimentName | None = None


class ExperimentSetTag(ExperimentTag, ExperimentWanted):
    pass


class ExperimentDeleteTag(ExperimentWanted):
    key: Text


class ExperimentCreated(MlflowResponse):
    experiment_id: str


class Tag(MlflowResponse):
    key: str
    value: str


class ExperimentRead(MlflowResponse):
    """An experiment; times are in milliseconds since 1970."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    creation_time: int
    last_update_time: int
    tags: list[Tag] | None

    @classmethod
    def of(cls, stored: StoredExperiment) -> Self:
        key = experiment_text(stored.id)
        return cls(
            experiment_id=key,
            name=stored.name,
            artifact_location=stored.artifact_location or f"mlflow-artifacts:/{key}",
            lifecycle_stage="active" if stored.deleted_at is None else "deleted",
            creation_time=milliseconds(stored.created_at),
            last_update_time=milliseconds(stored.updated_at),
            tags=[Tag(key=key, value=value) for key, value in stored.tags.items()] or None,
        )


class ExperimentAnswer(MlflowResponse):
    experiment: ExperimentRead


class ExperimentsFound(MlflowResponse):
    experiments: list[ExperimentRead] | None
    next_page_token: str | None
