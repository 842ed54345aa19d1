"""Routes that read many runs: searches, histories, comparisons and files."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from service.auth.caller import needs
from service.relational.experiments.repository import ExperimentNotFound
from service.relational.experiments.schemas import Key
from service.relational.runs.reading.compare import RunComparisonDep, TooMuchToCompare
from service.relational.runs.reading.export_file import RunExportDep, TooManyColumns
from service.relational.runs.reading.history import MetricHistoryDep, TooManyPoints
from service.relational.runs.reading.schemas import (
    CompareWanted,
    Comparison,
    History,
    HistoryQuery,
    RunExportQuery,
    RunFound,
    RunQuery,
    RunSearchWanted,
)
from service.relational.runs.reading.search_runs import VIEWS, RunSearchDep
from service.relational.runs.repository import RunNotFound
from service.relational.search_language.errors import InvalidFilter, InvalidOrder
from service.stores.sql.route import SqlRoute
from service.web.lists.cursors import BadCursor
from service.web.lists.page_numbers import link_header
from service.web.lists.pagination import Page, PageInfo
from service.web.openapi import problems
from service.web.parquet import ParquetNotInstalled
from service.web.route import Route, policy

router = APIRouter(tags=["experiments"], route_class=SqlRoute)
READS = [needs("experiments:read")]
files = APIRouter(prefix="/experiments", tags=["experiments"], route_class=Route)
_BYTES = {"type": "string", "format": "binary"}


@router.get(
    "/runs",
    response_model=Page[RunFound],
    dependencies=READS,
    responses=problems(BadCursor, InvalidFilter, InvalidOrder),
)
async def runs_list(
    query: Annotated[RunQuery, Query()], search: RunSearchDep, request: Request
) -> Response:
    """Find runs by a filter, the newest first, each with its params, tags and metrics."""
    return await _found(query, query.experiment_id, search, request)


@router.post(
    "/runs/search",
    status_code=200,
    response_model=Page[RunFound],
    dependencies=READS,
    responses=problems(BadCursor, InvalidFilter, InvalidOrder),
)
@policy(read_only=True)
async def runs_search(wanted: RunSearchWanted, search: RunSearchDep, request: Request) -> Response:
    """Find runs as the list does, by a body."""
    return await _found(wanted, wanted.experiment_ids, search, request)


@router.post(
    "/runs/compare",
    status_code=200,
    response_model=Comparison,
    dependencies=READS,
    responses=problems(RunNotFound, TooMuchToCompare),
)
@policy(read_only=True)
async def runs_compare(wanted: CompareWanted, comparison: RunComparisonDep) -> Response:
    """Compare at most 1,000 runs: params that differ or not, and metrics side by side."""
    return Response(await comparison.compare(wanted.run_ids), media_type="application/json")


@router.get(
    "/runs/{run_id}/metrics/{key:text}/history",
    response_model=History,
    dependencies=READS,
    responses=problems(RunNotFound, BadCursor, TooManyPoints),
)
async def runs_list_history(
    run_id: UUID,
    key: Annotated[Key, Path()],
    query: Annotated[HistoryQuery, Query()],
    history: MetricHistoryDep,
    request: Request,
) -> Response:
    """List the points of a metric by time; with `points`, that many of them, the ends included."""
    await history.require(run_id)
    if query.points is not None:
        text = await history.sample([run_id], key, points=query.points)
        return _page(text, query.points, None, request)
    found = await history.page(run_id, key, limit=query.limit, token=query.cursor)
    return _page(found.text, query.limit, found.next_token, request)


@files.get(
    "/{experiment_id}/runs/export",
    response_class=Response,  # else application/json is declared too
    dependencies=READS,
    responses={
        200: {
            "description": "One run per row",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.apache.parquet": {"schema": _BYTES},
            },
        },
        **problems(ExperimentNotFound, InvalidFilter, TooManyColumns, ParquetNotInstalled),
    },
)
async def experiments_export_runs(
    experiment_id: UUID, query: Annotated[RunExportQuery, Query()], export: RunExportDep
) -> Response:
    """Export the runs of an experiment, the newest first, with a column for each key.

    Columns are `params.…`, `metrics.…` (the latest value) and `tags.…`, empty where a run has no
    value. If the export cannot be completed, the connection is cut. In a CSV, a text that a
    spreadsheet would take for a formula, or that begins with `'`, has a `'` in front.
    """
    return export.export(experiment_id, query)


async def _found(
    query: RunQuery | RunSearchWanted,
    experiment_ids: Sequence[UUID],
    search: RunSearchDep,
    request: Request,
) -> Response:
    found = await search.page(
        experiment_ids or None,
        shape="own",
        limit=query.limit,
        filter_text=query.filter,
        order_by=query.order_by,
        view=VIEWS[query.view],
        token=query.cursor,
    )
    return _page(f"[{','.join(found.texts)}]", query.limit, found.next_token, request)


def _page(items: str, limit: int, cursor: str | None, request: Request) -> Response:
    """Return a page whose items are JSON already."""
    info = PageInfo(limit=limit, next_cursor=cursor, has_more=cursor is not None)
    body = f'{{"items":{items},"page":{info.model_dump_json()},"total":null}}'
    headers = {}
    if cursor is not None and request.method == "GET":
        headers["Link"] = link_header(request, {"next": {"cursor": cursor}})
    return Response(body, media_type="application/json", headers=headers)
