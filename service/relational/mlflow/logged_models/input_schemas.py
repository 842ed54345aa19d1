"""Requests of MLflow's addresses of datasets, and of the inputs and outputs of runs."""

from typing import Annotated

from pydantic import Field

from service.relational.mlflow.run_schemas import RunWanted
from service.web.mlflow.messages import MlflowRequest, MlflowResponse
from service.web.mlflow.values import Int64, Text

MAX_INPUTS = 1000  # of a kind, in a request
MAX_TAGS = 100  # of an input; clients send one or two
MAX_EXPERIMENTS = 20
DatasetName = Annotated[Text, Field(max_length=500)]
DatasetDigest = Annotated[Text, Field(max_length=36)]


class InputTag(MlflowRequest):
    key: Annotated[Text, Field(min_length=1, max_length=255)]
    value: Annotated[Text, Field(max_length=500)] | None = None


class InputDataset(MlflowRequest):
    name: Annotated[DatasetName, Field(min_length=1)]
    digest: Annotated[DatasetDigest, Field(min_length=1)]
    source_type: Annotated[Text, Field(max_length=36)]
    source: Annotated[Text, Field(max_length=2**16 - 1)]
    schema_: Annotated[Text | None, Field(alias="schema", max_length=2**20 - 1)] = None
    profile: Annotated[Text, Field(max_length=2**24 - 1)] | None = None


class LoggedDataset(MlflowRequest):
    dataset: InputDataset
    tags: list[InputTag] | None = Field(None, max_length=MAX_TAGS)


class InputModel(MlflowRequest):
    model_id: Text


class OutputModel(InputModel):
    step: Int64 | None = None


class LogInputs(RunWanted):
    datasets: list[LoggedDataset] | None = Field(None, max_length=MAX_INPUTS)
    models: list[InputModel] | None = Field(None, max_length=MAX_INPUTS)


class LogOutputs(RunWanted):
    models: list[OutputModel] | None = Field(None, max_length=MAX_INPUTS)


class DatasetsSearch(MlflowRequest):
    experiment_ids: Annotated[list[Text], Field(min_length=1, max_length=MAX_EXPERIMENTS)]


class DatasetSummary(MlflowResponse):
    experiment_id: str
    name: str
    digest: str
    context: str | None


class DatasetsFound(MlflowResponse):
    dataset_summaries: list[DatasetSummary] | None
