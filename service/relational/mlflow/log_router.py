"""MLflow's addresses that log to a run: a batch is one transaction, all or nothing."""

from typing import Annotated

from fastapi import APIRouter

from service.auth.caller import needs
from service.relational.mlflow.ids import run_id
from service.relational.mlflow.log_schemas import (
    LogBatch,
    LogMetric,
    LogParam,
    SetTag,
    points,
    texts,
)
from service.relational.mlflow.route import MlflowRoute
from service.relational.mlflow.run_schemas import RunDeleteTag
from service.relational.runs.log import RunLogDep
from service.web.mlflow.messages import EMPTY, Empty, request_of

router = APIRouter(prefix="/2.0/mlflow/runs", route_class=MlflowRoute)
WRITES = [needs("experiments:write")]


@router.post("/log-metric", dependencies=WRITES)
async def mlflow_runs_log_metric(
    wanted: Annotated[LogMetric, request_of(LogMetric)], log: RunLogDep
) -> Empty:
    """Log a point of a metric."""
    await log.log(run_id(wanted.run_id), metrics=points([wanted]))
    return EMPTY


@router.post("/log-parameter", dependencies=WRITES)
async def mlflow_runs_log_parameter(
    wanted: Annotated[LogParam, request_of(LogParam)], log: RunLogDep
) -> Empty:
    """Log a param, whose value never changes."""
    await log.log(run_id(wanted.run_id), params=texts([wanted]))
    return EMPTY


@router.post("/log-batch", dependencies=WRITES)
async def mlflow_runs_log_batch(
    wanted: Annotated[LogBatch, request_of(LogBatch)], log: RunLogDep
) -> Empty:
    """Log metrics, params and tags, all or none of them."""
    await log.log(
        run_id(wanted.run_id),
        metrics=points(wanted.metrics),
        params=texts(wanted.params),
        tags=texts(wanted.tags),
    )
    return EMPTY


@router.post("/set-tag", dependencies=WRITES)
async def mlflow_runs_set_tag(
    wanted: Annotated[SetTag, request_of(SetTag)], log: RunLogDep
) -> Empty:
    """Set a tag of a run."""
    await log.log(run_id(wanted.run_id), tags=texts([wanted]))
    return EMPTY


@router.post("/delete-tag", dependencies=WRITES)
async def mlflow_runs_delete_tag(
    wanted: Annotated[RunDeleteTag, request_of(RunDeleteTag)], log: RunLogDep
) -> Empty:
    """Delete a tag of a run."""
    await log.remove_tag(run_id(wanted.run_id), wanted.key)
    return EMPTY
