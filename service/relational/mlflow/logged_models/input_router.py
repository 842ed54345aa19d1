"""MLflow's addresses of the inputs and outputs of runs, and of the datasets of experiments."""

from typing import Annotated

from fastapi import APIRouter

from service.auth.caller import needs
from service.relational.logged_models.dataset_search import DatasetSearches
from service.relational.logged_models.run_inputs import DatasetInput, RunInputsDep
from service.relational.mlflow.ids import experiment_text, known_ids, model_id, run_id
from service.relational.mlflow.logged_models.input_schemas import (
    DatasetsFound,
    DatasetsSearch,
    DatasetSummary,
    LoggedDataset,
    LogInputs,
    LogOutputs,
)
from service.relational.mlflow.route import MlflowRoute
from service.web.mlflow.messages import EMPTY, ROOTS, Empty, request_of
from service.web.route import policy

router = APIRouter(prefix="/2.0/mlflow", route_class=MlflowRoute)
MAX_BYTES = 32 * 2**20  # a dataset's profile has up to 16 MiB, and JSON escapes its quotes
BODY_LIMITS = {f"{root}/2.0/mlflow/runs/log-inputs": MAX_BYTES for root in ROOTS}


@router.post("/runs/log-inputs", dependencies=[needs("experiments:write")])
async def mlflow_runs_log_inputs(
    wanted: Annotated[LogInputs, request_of(LogInputs)], inputs: RunInputsDep
) -> Empty:
    """Add datasets and logged models to the inputs of a run."""
    await inputs.log(
        run_id(wanted.run_id),
        datasets=[_input(one) for one in wanted.datasets or ()],
        models=[model_id(one.model_id) for one in wanted.models or ()],
    )
    return EMPTY


def _input(sent: LoggedDataset) -> DatasetInput:
    dataset, tags = sent.dataset, {tag.key: tag.value or "" for tag in sent.tags or ()}
    return DatasetInput(
        dataset.name,
        dataset.digest,
        dataset.source_type,
        dataset.source,
        dataset.schema_,
        dataset.profile,
        tags,
    )


@router.post("/runs/outputs", dependencies=[needs("experiments:write")])
async def mlflow_runs_log_outputs(
    wanted: Annotated[LogOutputs, request_of(LogOutputs)], inputs: RunInputsDep
) -> Empty:
    """Add logged models to the outputs of a run."""
    models = [(model_id(one.model_id), one.step or 0) for one in wanted.models or ()]
    await inputs.log_outputs(run_id(wanted.run_id), models)
    return EMPTY


@router.post("/experiments/search-datasets", dependencies=[needs("experiments:read")])
@policy(read_only=True)
async def mlflow_experiments_search_datasets(
    wanted: Annotated[DatasetsSearch, request_of(DatasetsSearch)], datasets: DatasetSearches
) -> DatasetsFound:
    """Return which datasets the runs of experiments read, and what for."""
    found = await datasets.summaries(known_ids(wanted.experiment_ids))
    summaries = [
        DatasetSummary(
            experiment_id=experiment_text(one.experiment_id),
            name=one.name,
            digest=one.digest,
            context=one.context,
        )
        for one in found
    ]
    return DatasetsFound(dataset_summaries=summaries or None)
