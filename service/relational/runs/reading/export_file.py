"""Export of an experiment's runs as a file, the newest first.

Each page is read in a session of its own, so that nothing is open in the store between two pages.
Columns are the keys that the runs have at the beginning; what is logged under other keys meanwhile
is not in the file.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from importlib import import_module
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from service.core.errors import Refused
from service.relational.experiments.repository import ExperimentNotFound
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.runs.reading.file_format import Column, CsvRuns, RunWriter, columns_of
from service.relational.runs.reading.schemas import RunExportQuery
from service.relational.runs.reading.search_runs import VIEWS, FoundRuns, RunSearch
from service.relational.runs.tables import RunMetric, RunParam, RunTag
from service.stores.sql.context import SqlContext, SqlService
from service.web.parquet import ParquetNotInstalled
from service.web.permission_recheck import PermissionRecheck
from service.web.streaming import StreamedResponse

MOST_COLUMNS = 2000
MOST_VALUES = 50_000  # of a page, each some hundred bytes while it is written
MOST_ROWS = 500


class TooManyColumns(Refused):
    code, title = "too_many_columns", "Runs have too many different keys"
    detail = (
        f"A file has at most {MOST_COLUMNS} columns; leave out the statistics, or use a search."
    )


class RunExportResponse(StreamedResponse):
    """A file; its first page is read before the response starts, so that an error has a status.

    A later error cuts the connection, so that a part is not taken for the whole file.
    """

    def __init__(self, export: "RunExport", experiment_id: UUID, query: RunExportQuery) -> None:
        kind = "text/csv" if query.format == "csv" else "application/vnd.apache.parquet"
        name = f"runs-{experiment_id}.{query.format}"
        super().__init__(kind, {"Content-Disposition": f'attachment; filename="{name}"'})
        self._export, self._experiment_id, self._query = export, experiment_id, query

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        columns = await self._export.columns(self._experiment_id, self._query)
        writer, head = await _writer(self._query.format, columns), True
        limit = max(1, min(MOST_ROWS, MOST_VALUES // len(columns)))
        async with aclosing(self._export.pages(self._experiment_id, self._query, limit)) as pages:
            async for texts in pages:
                begin = writer.begin() if head else b""
                yield begin + await asyncio.to_thread(_written, writer, texts)
                head = False
        yield (writer.begin() if head else b"") + writer.end()


class RunExport(SqlService):
    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._permission = PermissionRecheck(context.request)

    def export(self, experiment_id: UUID, query: RunExportQuery) -> RunExportResponse:
        """Return the file as a response.

        Raises, while it is sent:
            ExperimentNotFound, InvalidFilter, TooManyColumns, ParquetNotInstalled.
        """
        return RunExportResponse(self, experiment_id, query)

    async def columns(self, experiment_id: UUID, query: RunExportQuery) -> list[Column]:
        """Return the columns of the file."""

        async def read(session: AsyncSession) -> list[Column]:
            known = select(Experiment.id).where(
                Experiment.id == experiment_id, visible_experiment(self._caller)
            )
            if await session.scalar(known) is None:
                raise ExperimentNotFound
            keys = [
                await _keys(session, child, experiment_id)
                for child in (RunParam, RunTag, RunMetric)
            ]
            return columns_of(*keys, statistics=query.statistics)

        columns = await self._context.store.run(read, writes=False)
        if len(columns) > MOST_COLUMNS:
            raise TooManyColumns
        return columns

    async def pages(
        self, experiment_id: UUID, query: RunExportQuery, limit: int
    ) -> AsyncGenerator[Sequence[str]]:
        """Yield the runs as JSON, a page at a time."""
        token: str | None = None

        async def read(session: AsyncSession) -> FoundRuns:
            return await RunSearch(self._context, session).page(
                [experiment_id],
                shape="own",
                limit=limit,
                filter_text=query.filter,
                view=VIEWS[query.view],
                token=token,
            )

        while True:
            found = await self._context.store.run(read, writes=False)
            if found.texts:
                yield found.texts
            token = found.next_token
            if token is None:
                return
            await self._permission.check()


async def _keys(session: AsyncSession, child: Any, experiment_id: UUID) -> Sequence[str]:
    keys = select(child.key).where(child.experiment_id == experiment_id).distinct()
    return (await session.scalars(keys.order_by(child.key).limit(MOST_COLUMNS + 1))).all()


async def _writer(file_format: str, columns: Sequence[Column]) -> RunWriter:
    if file_format == "csv":
        return CsvRuns(columns)
    try:
        module = await asyncio.to_thread(
            import_module, "service.relational.runs.reading.parquet_file"
        )
    except ModuleNotFoundError as error:
        raise ParquetNotInstalled from error
    writer: RunWriter = await asyncio.to_thread(module.ParquetRuns, columns)
    return writer


def _written(writer: RunWriter, texts: Sequence[str]) -> bytes:
    return writer.page([msgspec.json.decode(text) for text in texts])


RunExportDep = Annotated[RunExport, Depends(RunExport.from_request)]
