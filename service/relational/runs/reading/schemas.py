"""Schemas of what is read of runs: searches, histories, comparisons and exports."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from service.relational.runs.schemas import SPECIAL, RunRead
from service.web.lists.cursors import MAX_CURSOR
from service.web.lists.pagination import DEFAULT_LIMIT, MAX_LIMIT, PageInfo, coerced_limit
from service.web.schemas import EXAMPLE_ID, RequestModel, ResponseModel

MOST_EXPERIMENTS, MOST_COMPARED, MOST_POINTS = 100, 1000, 10_000
MOST_FILTER_CHARS, MOST_ORDERS = 10_000, 3
STATISTICS = ("best", "least", "greatest", "mean")
View = Annotated[
    Literal["active", "deleted", "all"], Field(description="whether deleted runs are found")
]
Format = Annotated[Literal["csv", "parquet"], Field(description="of the file")]
_FILTER_DOC = (
    "clauses of attributes, `params`, `tags`, `metrics`, `best`, `least`, `greatest`, `mean` and "
    "`datasets`, joined by AND, OR and parentheses: `metrics.loss < 0.5 AND params.optimizer = "
    "'adam'`"
)
_ORDER_DOC = (
    f"at most {MOST_ORDERS} names with ASC or DESC, such as `best.accuracy DESC`; runs without a "
    "value come last; then the newest first"
)
Number = Annotated[
    float | str,
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "enum": list(SPECIAL)}]}),
]
Filter = Annotated[str, Field(max_length=MOST_FILTER_CHARS, description=_FILTER_DOC)]
OrderBy = Annotated[
    list[Annotated[str, Field(max_length=300)]],
    Field(max_length=MOST_ORDERS, description=_ORDER_DOC),
]
Experiments = Annotated[
    list[UUID],
    Field(max_length=MOST_EXPERIMENTS, description="search in these alone; empty: in all"),
]
Limit = Annotated[
    int,
    Field(ge=1, description=f"runs a page, at most {MAX_LIMIT}; a larger number is taken as that"),
    BeforeValidator(coerced_limit),
]
TimeText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
PageCursor = Annotated[
    str, Field(max_length=MAX_CURSOR, description="next_cursor of the page before")
]


class RunQuery(RequestModel):
    """A search by address."""

    experiment_id: Experiments = []
    filter: Filter | None = None
    order_by: OrderBy = []
    view: View = "active"
    limit: Limit = DEFAULT_LIMIT
    cursor: PageCursor | None = None


class RunSearchWanted(RequestModel):
    """A search whose filter is too long for an address."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"filter": "metrics.loss < 0.5", "order_by": ["best.accuracy DESC"]}
        }
    )

    experiment_ids: Experiments = []
    filter: Filter | None = None
    order_by: OrderBy = []
    view: View = "active"
    limit: Limit = DEFAULT_LIMIT
    cursor: PageCursor | None = None


class MetricRead(ResponseModel):
    """The latest point of a metric, and its history without NaN.

    ``best`` is the least or the greatest value, by the experiment's goal for the metric.
    """

    value: Number
    step: int
    timestamp_ms: int
    count: int
    least: Number | None
    greatest: Number | None
    mean: Number | None
    best: Number | None


class RunFound(RunRead):
    """A run with what was logged to it."""

    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, MetricRead]


class HistoryQuery(RequestModel):
    """A page of a history, or some of its points, evenly chosen by their places."""

    points: int | None = Field(
        None, ge=2, le=MOST_POINTS, description="this many points of the whole history; no pages"
    )
    limit: int = Field(1000, ge=1, le=MOST_POINTS, description="points a page")
    cursor: PageCursor | None = None


class PointRead(ResponseModel):
    timestamp_ms: int
    step: int
    value: Number


class History(ResponseModel):
    """Points by time, step and value."""

    items: list[PointRead]
    page: PageInfo


class CompareWanted(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"run_ids": [EXAMPLE_ID]}})

    run_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_COMPARED)]


class ComparedRun(ResponseModel):
    id: UUID
    experiment_id: UUID
    name: str
    user_name: str
    status: str
    started_at: TimeText
    ended_at: TimeText | None


class ComparedMetric(ResponseModel):
    """A metric of each run, null where it has none."""

    latest: list[Number | None]
    best: list[Number | None]
    least: list[Number | None]
    greatest: list[Number | None]
    mean: list[Number | None]


class Comparison(ResponseModel):
    """Runs side by side: each list of values is in the order of ``runs``."""

    runs: list[ComparedRun]
    same_params: dict[str, str] = Field(description="params that all runs have, with one value")
    different_params: dict[str, list[str | None]]
    metrics: dict[str, ComparedMetric]


class RunExportQuery(RequestModel):
    format: Format = "csv"
    filter: Filter | None = None
    view: View = "active"
    statistics: bool = Field(
        False, description="columns `best.…`, `least.…`, `greatest.…`, `mean.…` too"
    )
