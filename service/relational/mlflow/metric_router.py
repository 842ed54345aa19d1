"""MLflow's addresses of the histories of metrics; unknown runs and keys have none."""

from typing import Annotated, Self

from fastapi import APIRouter, Response
from pydantic import Field, model_validator

from service.auth.caller import needs
from service.relational.mlflow.ids import known_ids, run_id
from service.relational.mlflow.route import MlflowRoute
from service.relational.mlflow.run_schemas import RunWanted
from service.relational.runs.reading.history import MetricHistoryDep
from service.web.mlflow.messages import MlflowRequest, json_answer, request_of
from service.web.mlflow.values import Int64, PageSize, Text

router = APIRouter(prefix="/2.0/mlflow/metrics", route_class=MlflowRoute)
READS = [needs("experiments:read")]
DEFAULT_POINTS = 25_000  # of a page: what MLflow's clients ask for
MAX_RUNS, MAX_SAMPLED = 100, 2500
RunIds = Annotated[list[Text], Field(min_length=1, max_length=MAX_RUNS)]


class HistoryWanted(RunWanted):
    metric_key: Text
    max_results: PageSize | None = None
    page_token: Text | None = None


class HistoriesWanted(MlflowRequest):
    """Histories of several runs; their parameter is repeated, and has the name of one."""

    run_id: RunIds
    metric_key: Text
    max_results: PageSize | None = None


class SampleWanted(MlflowRequest):
    """Samples of histories, each of at most ``max_results`` points within the steps."""

    run_ids: RunIds
    metric_key: Text
    max_results: Annotated[Int64, Field(ge=1, le=MAX_SAMPLED)] | None = None
    start_step: Int64 | None = None
    end_step: Int64 | None = None

    @model_validator(mode="after")
    def _has_both_steps(self) -> Self:
        steps = self.steps
        if (steps is None) != (self.start_step is None and self.end_step is None):
            raise ValueError("send both start_step and end_step, or neither")
        if steps is not None and steps[0] > steps[1]:
            raise ValueError("send a start_step that is not above the end_step")
        return self

    @property
    def steps(self) -> tuple[int, int] | None:
        if self.start_step is None or self.end_step is None:
            return None
        return self.start_step, self.end_step


@router.get("/get-history", dependencies=READS)
async def mlflow_metrics_get_history(
    wanted: Annotated[HistoryWanted, request_of(HistoryWanted)], history: MetricHistoryDep
) -> Response:
    """Return a page of a metric's history, by timestamp, step and value."""
    for run in known_ids([wanted.run_id], run_id):
        found = await history.page(
            run,
            wanted.metric_key,
            limit=wanted.max_results or DEFAULT_POINTS,
            token=wanted.page_token or None,
            mlflow=True,
        )
        return _points(found.text, found.next_token)
    return _points("[]")


@router.get("/get-history-bulk-interval", dependencies=READS)
async def mlflow_metrics_get_history_bulk_interval(
    wanted: Annotated[SampleWanted, request_of(SampleWanted)], history: MetricHistoryDep
) -> Response:
    """Return points of the history of each run, the first and the last among them."""
    return _points(
        await history.sample(
            known_ids(wanted.run_ids, run_id),
            wanted.metric_key,
            points=wanted.max_results or MAX_SAMPLED,
            steps=wanted.steps,
            mlflow=True,
        )
    )


@router.get("/get-history-bulk", dependencies=READS)
async def mlflow_metrics_get_history_bulk(
    wanted: Annotated[HistoriesWanted, request_of(HistoriesWanted)], history: MetricHistoryDep
) -> Response:
    """Return the first points of several runs, run after run."""
    limit = wanted.max_results or DEFAULT_POINTS
    return _points(
        await history.of_runs(known_ids(wanted.run_id, run_id), wanted.metric_key, limit=limit)
    )


def _points(text: str, token: str | None = None) -> Response:
    metrics = None if text == "[]" else text
    return json_answer(metrics=metrics, next_page_token=token and f'"{token}"')
