"""The log as a file, oldest first: page after page, each read by an operation of its own.

Between two pages nothing is open in the store, and at most one page is in memory. A page begins
behind the last event of the one before, by its time and its id, so that what is logged meanwhile
neither shifts nor repeats anything.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Annotated, Any, TypeVar
from uuid import UUID

from bson import decode_iter
from fastapi import Request
from typing_extensions import override

from service.auth.caller import CurrentCaller
from service.core.cooperative import run_cooperatively
from service.core.errors import ServiceError
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.errors import check_model
from service.documents.predictions.export.row_formats import CsvRows, NdjsonRows, RowWriter
from service.documents.predictions.export.schemas import ExportQuery
from service.documents.predictions.reading.repository import FIELDS, READ
from service.documents.predictions.stream_permission import PermissionRecheck
from service.stores.mongo.client import Document, MongoStore, MongoStoreDep
from service.stores.mongo.documents import as_filter, beyond
from service.web.context import provided
from service.web.ndjson import NDJSON
from service.web.pagination import Cursor, Sort
from service.web.streaming import StreamedResponse

ROWS_AT_ONCE = {"ndjson": 500, "csv": 500, "parquet": 2_000}
SLICE_SECONDS = SECONDS_OF_REST = 0.001
T = TypeVar("T")
_PARQUET = "service.documents.predictions.export.parquet"
_OLDEST_FIRST = Sort("timestamp", descending=False)


class ParquetNotInstalled(ServiceError):
    status, code, title = 501, "parquet_not_installed", "Parquet cannot be written here"
    detail = (
        "The service lacks the library for it; its operator adds it by installing "
        "polystore[export]. Take format=ndjson or format=csv."
    )


class PredictionPages:
    """The events that match, page after page."""

    def __init__(self, mongo: MongoStore, query: ExportQuery) -> None:
        self._mongo, self.turns = mongo, Turns(mongo)
        self._predictions = mongo.database[PREDICTIONS]
        self._feedback = mongo.database[FEEDBACK]
        self._where = as_filter(query.filters(), FIELDS)
        self._most = ROWS_AT_ONCE[query.format]
        self._after: Cursor | None = None

    async def next(self) -> list[Document]:
        """The next page, at most 16 MiB of it; empty behind the last."""
        raw = await self._mongo.call(self._read, writes=False)
        options = self._predictions.codec_options
        page = await self.turns.all(decode_iter(raw, options))
        if page:
            self._after = Cursor(page[-1]["timestamp"], page[-1]["_id"])
        return page

    async def latest(self, page: Sequence[Document]) -> dict[UUID, Document]:
        """What was said of the events of a page, by their ids."""
        where = {"_id": {"$in": [document["_id"] for document in page]}}
        cursor = self._feedback.find(where, {"latest": 1}, batch_size=len(page) + 1)
        found = await self._mongo.call(lambda: cursor.to_list(None), writes=False)
        return {each["_id"]: each for each in found}

    async def _read(self) -> bytes:
        """The documents as MongoDB sent them; it sends no more than 16 MiB at once."""
        where = self._where
        if self._after is not None:
            where = {"$and": [where, beyond(_OLDEST_FIRST, self._after)]}
        cursor = self._predictions.find_raw_batches(
            where,
            READ,
            sort=[("timestamp", 1), ("_id", 1)],
            limit=self._most,
            batch_size=self._most,
        )
        try:
            async for batch in cursor:
                return bytes(batch)
            return b""
        finally:
            await cursor.close()


class Turns:
    """Work of a kind that Python does not share: done a millisecond at a time."""

    def __init__(self, mongo: MongoStore) -> None:
        self._mongo = mongo

    async def all(self, work: Iterable[T]) -> list[T]:
        """What the work gives, while others have their turn after each millisecond.

        In a thread it would hold up the event loop for 5 ms whenever that wants to go on, which is
        how long Python lets a thread run. For the same reason it rests while others wait for
        MongoDB: Motor does so in threads, each of which the loop holds up as long.
        """
        return await run_cooperatively(
            work,
            seconds=SLICE_SECONDS,
            rest=lambda: SECONDS_OF_REST if self._mongo.in_use else 0,
        )


class ExportAnswer(StreamedResponse):
    """A file; its first page is read before the answer begins, so that a refusal is one."""

    media_type = NDJSON

    def __init__(
        self,
        pages: PredictionPages,
        writer: RowWriter,
        still: PermissionRecheck,
        query: ExportQuery,
    ) -> None:
        name = f"predictions-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{query.format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(writer.media_type, headers)
        self._pages, self._writer, self._still, self._query = pages, writer, still, query
        self._rows = 0

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        try:
            while page := await self._pages.next():
                latest = await self._pages.latest(page) if self._query.labels else {}
                begin = b"" if self._rows else self._writer.begin()
                rows = await self._pages.turns.all(self._writer.rows(page, latest))
                yield b"".join((begin, *rows, await asyncio.to_thread(self._writer.page)))
                self._rows += len(page)
                await self._still.check()
        except ServiceError as refusal:
            if not self._rows or self._query.format != "ndjson":
                raise  # cuts the connection: a file without its end is not taken for a whole one
            yield _stopped(self._rows, refusal)
        else:
            begin = b"" if self._rows else self._writer.begin()
            yield begin + self._writer.end()


def _stopped(rows: int, refusal: ServiceError) -> bytes:
    """The last line of a file that could not be finished."""
    told: dict[str, Any] = {
        "rows": rows,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.message,
    }
    return json.dumps({"stopped": told}).encode() + b"\n"


class PredictionExport:
    def __init__(self, mongo: MongoStoreDep, caller: CurrentCaller, request: Request) -> None:
        self._mongo, self._caller, self._request = mongo, caller, request

    async def answer(self, query: ExportQuery) -> ExportAnswer:
        """The file.

        Raises:
            ModelForbidden: the caller's key is bound to other models.
            ParquetNotInstalled: pyarrow is not there.
        """
        check_model(self._caller, query.model)
        writer = await _writer_of(query)
        still = PermissionRecheck(self._request, query.model)
        return ExportAnswer(PredictionPages(self._mongo, query), writer, still, query)


async def _writer_of(query: ExportQuery) -> RowWriter:
    if query.format == "csv":
        return CsvRows(labels=query.labels)
    if query.format == "ndjson":
        return NdjsonRows(labels=query.labels)
    # Imported by who uses it alone: pyarrow takes 40 MB, and is not installed everywhere.
    try:
        module = await asyncio.to_thread(import_module, _PARQUET)
    except ModuleNotFoundError as error:
        raise ParquetNotInstalled from error
    writer: RowWriter = module.ParquetRows(labels=query.labels)
    return writer


Export = Annotated[PredictionExport, provided(PredictionExport)]
