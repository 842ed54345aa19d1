"""MLflow's addresses of runs: made, changed, deleted, restored, found."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Response

from service.auth.caller import needs
from service.relational.mlflow.filters import RUNS, check_filter
from service.relational.mlflow.ids import experiment_id, known_ids, run_id
from service.relational.mlflow.route import MlflowRoute
from service.relational.mlflow.run_schemas import (
    DEFAULT_PAGE,
    RunCreate,
    RunsSearch,
    RunUpdate,
    RunWanted,
)
from service.relational.mlflow.times import moment
from service.relational.runs.reading.search_runs import RunSearchDep
from service.relational.runs.repository import Runs
from service.web.mlflow.messages import EMPTY, Empty, json_answer, request_of
from service.web.route import policy

router = APIRouter(prefix="/2.0/mlflow/runs", route_class=MlflowRoute)
READS, WRITES = [needs("experiments:read")], [needs("experiments:write")]
Wanted = Annotated[RunWanted, request_of(RunWanted)]


@router.post("/create", dependencies=WRITES)
async def mlflow_runs_create(
    wanted: Annotated[RunCreate, request_of(RunCreate)], runs: Runs, search: RunSearchDep
) -> Response:
    """Make a run, of the caller and from now on if the request does not say otherwise."""
    made = await runs.add(
        experiment_id(wanted.experiment_id),
        name=wanted.run_name or None,
        user_name=wanted.user_id or None,
        started_at=_moment(wanted.start_time),
        tags={tag.key: tag.value or "" for tag in wanted.tags or ()},
    )
    return json_answer(run=await search.get(made.id, "mlflow"))


@router.get("/get", dependencies=READS)
async def mlflow_runs_get(wanted: Wanted, search: RunSearchDep) -> Response:
    """Return a run, deleted or not, with its params, tags and latest metrics."""
    return json_answer(run=await search.get(run_id(wanted.run_id), "mlflow"))


@router.post("/update", dependencies=WRITES)
async def mlflow_runs_update(
    wanted: Annotated[RunUpdate, request_of(RunUpdate)], runs: Runs, search: RunSearchDep
) -> Response:
    """Change the status, the end or the name of a run."""
    key = run_id(wanted.run_id)
    await runs.update(
        key,
        status=wanted.status,
        ended_at=_moment(wanted.end_time),
        name=wanted.run_name or None,
    )
    return json_answer(run_info=await search.get(key, "mlflow info"))


@router.post("/delete", dependencies=WRITES)
async def mlflow_runs_delete(wanted: Wanted, runs: Runs) -> Empty:
    """Delete a run, until it is restored."""
    await runs.remove(run_id(wanted.run_id))
    return EMPTY


@router.post("/restore", dependencies=WRITES)
async def mlflow_runs_restore(wanted: Wanted, runs: Runs) -> Empty:
    """Restore a run."""
    await runs.restore(run_id(wanted.run_id))
    return EMPTY


@router.post("/search", dependencies=READS)
@policy(read_only=True)
async def mlflow_runs_search(
    wanted: Annotated[RunsSearch, request_of(RunsSearch)], search: RunSearchDep
) -> Response:
    """Return a page of runs; unknown experiments have none."""
    found = await search.page(
        known_ids(wanted.experiment_ids or []),
        shape="mlflow",
        limit=wanted.max_results or DEFAULT_PAGE,
        filter_text=check_filter(wanted.filter, RUNS),
        order_by=wanted.order_by or (),
        view=wanted.run_view_type or "ACTIVE_ONLY",
        token=wanted.page_token or None,
    )
    runs = f"[{','.join(found.texts)}]" if found.texts else None
    return json_answer(runs=runs, next_page_token=found.next_token and f'"{found.next_token}"')


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds)
