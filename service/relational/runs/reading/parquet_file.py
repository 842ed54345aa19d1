"""Parquet files of runs, one row group a page.

Imported on demand, because pyarrow takes 40 MB and is not installed everywhere.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from service.relational.runs.reading.file_format import Column
from service.web.parquet import DrainedFile

_TIMES = {"started_at", "ended_at", "deleted_at"}


class ParquetRuns:
    """Compressed with zstd; metrics are floats, times are UTC, all else is text."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._schema = pa.schema(pa.field(column.name, _type(column)) for column in columns)
        self._buffer = DrainedFile()
        self._writer = pq.ParquetWriter(self._buffer, self._schema, compression="zstd")

    def begin(self) -> bytes:
        return b""

    def page(self, runs: Sequence[Mapping[str, Any]]) -> bytes:
        arrays = [
            pa.array([_value(column, run) for run in runs], field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        return self._buffer.drain()

    def end(self) -> bytes:
        self._writer.close()
        return self._buffer.drain()


def _type(column: Column) -> Any:
    if column.is_number:
        return pa.float64()
    is_time = column.part is None and column.key in _TIMES
    return pa.timestamp("ms", tz="UTC") if is_time else pa.string()


def _value(column: Column, run: Mapping[str, Any]) -> Any:
    value = column.value(run)
    if value is None:
        return None
    if column.is_number:
        return float(value)  # of "NaN" too
    is_time = column.part is None and column.key in _TIMES
    return datetime.fromisoformat(value) if is_time else value
