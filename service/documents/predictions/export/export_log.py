"""Export the log as a file."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from importlib import import_module
from typing import Annotated

from fastapi import Depends
from typing_extensions import override

from service.core.errors import ServiceError
from service.documents.predictions.export.prediction_pages import PredictionPages
from service.documents.predictions.export.row_formats import (
    CsvRows,
    Labels,
    NdjsonRows,
    RowWriter,
)
from service.documents.predictions.export.schemas import ExportQuery
from service.stores.mongo.client import Document
from service.stores.mongo.context import MongoService
from service.web.bodies.ndjson import NDJSON
from service.web.parquet import ParquetNotInstalled
from service.web.permission_recheck import PermissionRecheck
from service.web.streaming import StreamedResponse

_PARQUET = "service.documents.predictions.export.parquet"


class ExportResponse(StreamedResponse):
    """A file; its first page is read before the response starts, so that an error has a status."""

    media_type = NDJSON

    def __init__(
        self,
        pages: PredictionPages,
        writer: RowWriter,
        permission: PermissionRecheck,
        query: ExportQuery,
    ) -> None:
        name = f"predictions-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{query.format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        headers |= {} if pages.arrival is None else pages.arrival.headers
        super().__init__(writer.media_type, headers)
        self._pages, self._writer, self._query = pages, writer, query
        self._permission = permission
        self._rows, self._began = 0, False

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        try:
            while page := await self._pages.next():
                page, labels = await self._with_labels(page)
                begin = b"" if self._began else self._writer.begin()
                rows = await self._pages.run(self._writer.rows(page, labels))
                yield b"".join((begin, *rows, await asyncio.to_thread(self._writer.page)))
                self._rows, self._began = self._rows + len(page), True
                await self._permission.check()
        except ServiceError as error:
            if not self._began or self._query.format != "ndjson":
                raise  # cuts the connection, so that a part is not taken for the whole file
            yield _stopped(self._rows, error)
        else:
            begin = b"" if self._began else self._writer.begin()
            yield begin + self._writer.end()

    async def _with_labels(self, page: list[Document]) -> tuple[list[Document], Labels]:
        """Return the events to write, and the labels of those that have some."""
        labelled = self._query.labelled
        if not self._query.labels and labelled is None:
            return page, {}
        labels = await self._pages.latest_labels(page)
        if labelled is not None:
            page = [document for document in page if (document["_id"] in labels) is labelled]
        return page, labels


def _stopped(rows: int, error: ServiceError) -> bytes:
    """Return the last line of an NDJSON file that could not be completed."""
    reason = {
        "rows": rows,
        "status": error.status,
        "code": error.code,
        "detail": error.message,
    }
    return json.dumps({"stopped": reason}).encode() + b"\n"


class PredictionExport(MongoService):
    async def export(self, query: ExportQuery) -> ExportResponse:
        """Return the file as a response.

        Raises:
            ModelForbidden: the caller's key is bound to other models.
            ParquetNotInstalled: pyarrow is not installed.
        """
        self._caller.require_model(query.model)
        writer = await _create_writer(query)
        permission = PermissionRecheck(
            self._context.request, lambda caller: caller.require_model(query.model)
        )
        pages = PredictionPages(self._context.store, query)
        return ExportResponse(pages, writer, permission, query)


async def _create_writer(query: ExportQuery) -> RowWriter:
    if query.format == "csv":
        return CsvRows(labels=bool(query.labels))
    if query.format == "ndjson":
        return NdjsonRows(labels=bool(query.labels))
    # Imported on demand, because pyarrow takes 40 MB and is not installed everywhere.
    try:
        module = await asyncio.to_thread(import_module, _PARQUET)
    except ModuleNotFoundError as error:
        raise ParquetNotInstalled from error
    writer: RowWriter = module.ParquetRows(labels=bool(query.labels))
    return writer


Exports = Annotated[PredictionExport, Depends(PredictionExport.from_request)]
