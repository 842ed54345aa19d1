"""Route that exports the log."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from service.auth.caller import ModelForbidden, needs
from service.documents.predictions.export.export_log import (
    ExportResponse,
    Exports,
)
from service.documents.predictions.export.schemas import ExportLine, ExportQuery
from service.documents.predictions.reading.arrival import HEADER_DOC
from service.web.openapi import problems
from service.web.parquet import ParquetNotInstalled
from service.web.route import Route

# Each page is a call of its own to the store; no slot is held between two pages.
router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=Route)
_TEXT: dict[str, Any] = {"type": "string"}
_BYTES: dict[str, Any] = {"type": "string", "format": "binary"}


@router.get(
    "/export",
    dependencies=[needs("predictions:read")],
    status_code=200,
    response_class=ExportResponse,
    responses={
        200: {
            "model": ExportLine,
            "description": "One event per line, per row, or per row of a row group",
            "headers": HEADER_DOC,
            "content": {
                "text/csv": {"schema": _TEXT},
                "application/vnd.apache.parquet": {"schema": _BYTES},
            },
        },
        **problems(ModelForbidden, ParquetNotInstalled),
    },
)
async def predictions_export(query: Annotated[ExportQuery, Query()], exports: Exports) -> Response:
    """Export all events that match, oldest first, as a file of any length.

    With `received_at__gte` or `received_at__lt` they come by that time, up to the moment in the
    header Complete-Until, from which a later export goes on.

    Events that are logged meanwhile are included if their time is after the last one written. Set
    `timestamp__lt` for a file that is the same tomorrow. An NDJSON file that cannot be completed
    ends with a line `{"stopped": {"rows", "status", "code", "detail"}}`. The connection is cut for
    CSV and Parquet, so that a client does not take a part for the whole.

    CSV and Parquet have the columns of an event in the list, in the same order, whatever was
    logged. `features`, `output`, `error`, `tags` and `label` are JSON text. CSV puts a `'`
    before text that a spreadsheet would read as a formula, and before text with a leading `'`.
    """
    return await exports.export(query)
