"""MLflow's addresses that log to a run: a request is one transaction, all or nothing.

Two of them are called for each step of a training: ``log-metric`` and ``log-batch``. They are
direct: FastAPI's search among the routes and its dependencies took 0.8 of 1.2 ms (measured).
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Request, Response

from service.auth.caller import needs
from service.relational.logged_models.log_metrics import ModelMetrics
from service.relational.mlflow.ids import run_id
from service.relational.mlflow.log_schemas import (
    LogBatch,
    LogMetric,
    LogModel,
    LogParam,
    Metric,
    SetTag,
    model_points,
    points,
    texts,
)
from service.relational.mlflow.model_history import ModelHistoryDep
from service.relational.mlflow.route import MlflowRoute
from service.relational.mlflow.run_schemas import RunDeleteTag
from service.relational.runs.log import RunLog, RunLogDep
from service.stores.sql.context import SqlContext
from service.web.mlflow.messages import EMPTY, Empty, read_body, request_of
from service.web.route import policy

router = APIRouter(prefix="/2.0/mlflow/runs", route_class=MlflowRoute)
WRITES = [needs("experiments:write")]


@router.post("/log-metric", dependencies=WRITES)
@policy(direct=True)
async def mlflow_runs_log_metric(request: Request) -> Response:
    """Log a point of a metric."""
    metric = await read_body(LogMetric, request)
    return await _log(request, LogBatch(run_id=metric.run_id), [metric])


@router.post("/log-batch", dependencies=WRITES)
@policy(direct=True)
async def mlflow_runs_log_batch(request: Request) -> Response:
    """Log metrics, params and tags, all or none of them."""
    batch = await read_body(LogBatch, request)
    return await _log(request, batch, batch.metrics or ())


async def _log(request: Request, batch: LogBatch, metrics: Sequence[Metric]) -> Response:
    context, run = SqlContext.of(request, Response()), run_id(batch.run_id)
    params, tags = texts(batch.params), texts(batch.tags)
    await RunLog(context).log(run, metrics=points(metrics), params=params, tags=tags)
    if of_models := model_points(metrics):
        await ModelMetrics(context).add(run, of_models)
    return Response(b"{}", media_type="application/json")


@router.post("/log-parameter", dependencies=WRITES)
async def mlflow_runs_log_parameter(
    wanted: Annotated[LogParam, request_of(LogParam)], log: RunLogDep
) -> Empty:
    """Log a param, whose value never changes."""
    await log.log(run_id(wanted.run_id), params=texts([wanted]))
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


@router.post("/log-model", dependencies=WRITES)
async def mlflow_runs_log_model(
    wanted: Annotated[LogModel, request_of(LogModel)], history: ModelHistoryDep
) -> Empty:
    """Note a model of a client before 3.0, whose artifacts it has uploaded."""
    await history.add(run_id(wanted.run_id), wanted.model_json)
    return EMPTY
