"""Address of the log as a file."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from service.auth.caller import needs
from service.documents.predictions.errors import ModelForbidden
from service.documents.predictions.export.export_log import (
    Export,
    ExportAnswer,
    ParquetNotInstalled,
)
from service.documents.predictions.export.schemas import ExportLine, ExportQuery
from service.web.openapi import problems
from service.web.route import Route

# It asks the store for each page by itself, and holds nothing of it in between.
router = APIRouter(prefix="/predictions", tags=["predictions"], route_class=Route)
_TEXT: dict[str, Any] = {"type": "string"}
_BYTES: dict[str, Any] = {"type": "string", "format": "binary"}


@router.get(
    "/export",
    dependencies=[needs("predictions:read")],
    status_code=200,
    response_class=ExportAnswer,
    responses={
        200: {
            "model": ExportLine,
            "description": "An event a line, a row, or a row of a row group",
            "content": {
                "text/csv": {"schema": _TEXT},
                "application/vnd.apache.parquet": {"schema": _BYTES},
            },
        },
        **problems(ModelForbidden, ParquetNotInstalled),
    },
)
async def predictions_export(query: Annotated[ExportQuery, Query()], export: Export) -> Response:
    """All events that match, oldest first, as a file of any length.

    What is logged while it runs is in it if its time lies behind what has been written; set
    `timestamp__lt` for a file that is the same tomorrow. If it cannot go on, NDJSON ends with a
    line `{"stopped": {"rows", "status", "code", "detail"}}`; of CSV and Parquet the connection is
    cut, so that a client does not take a part for the whole.

    CSV and Parquet have the columns of an event in the list, in the same order, whatever was
    logged; `features`, `output`, `error`, `tags` and `label` are JSON text. In CSV a text that a
    spreadsheet would take for a formula has a `'` in front, and so has one that begins with `'`.
    """
    return await export.answer(query)
