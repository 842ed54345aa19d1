"""MLflow's addresses of experiments."""

from typing import Annotated

from fastapi import APIRouter

from service.auth.caller import needs
from service.relational.experiments.repository import ExperimentNotFound, Experiments
from service.relational.experiments.search_experiments import ExperimentSearchDep
from service.relational.mlflow.experiment_schemas import (
    ExperimentAnswer,
    ExperimentByName,
    ExperimentCreate,
    ExperimentCreated,
    ExperimentDeleteTag,
    ExperimentRead,
    ExperimentSetTag,
    ExperimentsFound,
    ExperimentsSearch,
    ExperimentUpdate,
    ExperimentWanted,
)
from service.relational.mlflow.filters import EXPERIMENTS, check_filter
from service.relational.mlflow.ids import experiment_id, experiment_text
from service.relational.mlflow.route import MlflowRoute
from service.web.mlflow.messages import EMPTY, Empty, request_of
from service.web.route import policy

router = APIRouter(prefix="/2.0/mlflow/experiments", route_class=MlflowRoute)
READS, WRITES = [needs("experiments:read")], [needs("experiments:write")]
Wanted = Annotated[ExperimentWanted, request_of(ExperimentWanted)]


@router.post("/create", dependencies=WRITES)
async def mlflow_experiments_create(
    wanted: Annotated[ExperimentCreate, request_of(ExperimentCreate)], experiments: Experiments
) -> ExperimentCreated:
    """Create an experiment that all who have the scope share."""
    created = await experiments.add(wanted.as_new())
    return ExperimentCreated(experiment_id=experiment_text(created.id))


@router.get("/get", dependencies=READS)
async def mlflow_experiments_get(wanted: Wanted, experiments: Experiments) -> ExperimentAnswer:
    """Return an experiment, deleted or not."""
    stored = await experiments.get(experiment_id(wanted.experiment_id))
    return ExperimentAnswer(experiment=ExperimentRead.of(stored))


@router.get("/get-by-name", dependencies=READS)
async def mlflow_experiments_get_by_name(
    wanted: Annotated[ExperimentByName, request_of(ExperimentByName)], experiments: Experiments
) -> ExperimentAnswer:
    """Return the experiment of a name, deleted or not."""
    stored = await experiments.get_by_name(wanted.experiment_name)
    return ExperimentAnswer(experiment=ExperimentRead.of(stored))


@router.api_route("/search", methods=["GET", "POST"], dependencies=READS)
@policy(read_only=True)
async def mlflow_experiments_search(
    wanted: Annotated[ExperimentsSearch, request_of(ExperimentsSearch)],
    experiments: ExperimentSearchDep,
) -> ExperimentsFound:
    """Return a page of experiments."""
    found = await experiments.search(
        limit=wanted.max_results,
        filter_text=check_filter(wanted.filter, EXPERIMENTS),
        order_by=wanted.order_by or (),
        view=wanted.view_type or "ACTIVE_ONLY",
        token=wanted.page_token or None,
    )
    return ExperimentsFound(
        experiments=[ExperimentRead.of(stored) for stored in found.experiments] or None,
        next_page_token=found.next_token,
    )


@router.post("/update", dependencies=WRITES)
async def mlflow_experiments_update(
    wanted: Annotated[ExperimentUpdate, request_of(ExperimentUpdate)], experiments: Experiments
) -> Empty:
    """Rename an experiment."""
    if wanted.new_name is not None:
        await experiments.rename(experiment_id(wanted.experiment_id), wanted.new_name)
    return EMPTY


@router.post("/delete", dependencies=WRITES)
async def mlflow_experiments_delete(wanted: Wanted, experiments: Experiments) -> Empty:
    """Delete an experiment with its runs; a deleted one is unknown, as on MLflow's server."""
    key = experiment_id(wanted.experiment_id)
    if (await experiments.get(key)).deleted_at is not None:
        raise ExperimentNotFound
    await experiments.remove(key)
    return EMPTY


@router.post("/restore", dependencies=WRITES)
async def mlflow_experiments_restore(wanted: Wanted, experiments: Experiments) -> Empty:
    """Restore an experiment with the runs that were deleted with it; none that is active."""
    key = experiment_id(wanted.experiment_id)
    if (await experiments.get(key)).deleted_at is None:
        raise ExperimentNotFound
    await experiments.restore(key)
    return EMPTY


@router.post("/set-experiment-tag", dependencies=WRITES)
async def mlflow_experiments_set_tag(
    wanted: Annotated[ExperimentSetTag, request_of(ExperimentSetTag)], experiments: Experiments
) -> Empty:
    """Set a tag of an experiment."""
    key = experiment_id(wanted.experiment_id)
    await experiments.set_tag(key, wanted.key, wanted.value or "")
    return EMPTY


@router.post("/delete-experiment-tag", dependencies=WRITES)
async def mlflow_experiments_delete_tag(
    wanted: Annotated[ExperimentDeleteTag, request_of(ExperimentDeleteTag)],
    experiments: Experiments,
) -> Empty:
    """Delete a tag of an experiment."""
    await experiments.remove_tag(experiment_id(wanted.experiment_id), wanted.key)
    return EMPTY
