"""The rows of a Parquet file, with values that JSON has.

Imported on demand, because pyarrow takes 40 MB and is not installed everywhere.
"""

import base64
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

try:
    import pyarrow as pa  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]
except ModuleNotFoundError:
    pa = None

from service.cli.load.lines import FileUnreadable
from service.cli.load.rows import Row, Source, check_columns, unreadable
from service.core.errors import FieldError

BATCH_ROWS, BATCH_BYTES = 500, 4 << 20
BUFFER_BYTES = 1 << 16
# KeyError: a time zone that is not known.
_NO_VALUE = (ArithmeticError, KeyError, ValueError)


def read_parquet(path: Path) -> Source:
    """Return the rows of a file, one batch in memory at a time.

    Raises:
        FileUnreadable: pyarrow is not installed, or the file is no Parquet.
    """
    if pa is None:
        raise FileUnreadable("Parquet needs pyarrow: pip install 'polystore[export]'.")
    try:
        # Without these a whole row group is read at once.
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES)
    except (OSError, pa.ArrowException) as error:
        raise FileUnreadable(f"{path} cannot be read as Parquet: {error}") from error
    columns = check_columns(file.schema_arrow.names)
    batch_rows = _batch_rows(file.metadata)
    rows = _rows(file, batch_rows)
    return Source(rows, columns, file.metadata.num_rows, sample_rows=batch_rows)


def _batch_rows(metadata: Any) -> int:
    """Return how many rows are read at once: fewer where they are large, such as pictures."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    average: int = sum(group.total_byte_size for group in groups) // max(metadata.num_rows, 1)
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max(average, 1)))


def _rows(file: Any, batch_rows: int) -> Iterator[Row]:
    schema = pa.schema([field.with_type(_exact(field.type)) for field in file.schema_arrow])
    number, batches = 0, file.iter_batches(batch_size=batch_rows)
    while True:
        try:
            batch = next(batches).cast(schema, safe=False)
        except StopIteration:
            return
        except (OSError, ValueError, pa.ArrowException) as error:
            raise FileUnreadable(f"The rows behind {number:,} cannot be read: {error}") from error
        for values, fault in _values(batch):
            number += 1
            yield Row(number, None, number, values, fault)


def _values(batch: Any) -> Iterator[tuple[dict[str, Any], FieldError | None]]:
    """Yield the values of each row, or why Python has none of them, such as the year 10000."""
    try:
        rows = batch.to_pylist()
    except _NO_VALUE as error:
        if batch.num_rows == 1:
            yield {}, unreadable(f"The row has a value that cannot be read: {error}.")
            return
        for index in range(batch.num_rows):
            yield from _values(batch.slice(index, 1))
        return
    for row in rows:
        yield {name: plain(value) for name, value in row.items()}, None


def _exact(kind: Any) -> Any:
    """Return the type with microseconds, because Python has no nanoseconds."""
    if pa.types.is_nested(kind):
        return _exact_members(kind)
    if pa.types.is_dictionary(kind):
        return _exact(kind.value_type)
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", tz=kind.tz)
    if pa.types.is_duration(kind) and kind.unit == "ns":
        return pa.duration("us")
    return pa.time64("us") if pa.types.is_time64(kind) else kind


def _exact_members(kind: Any) -> Any:
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_exact(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_exact(kind.key_type), _exact(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_exact(kind.value_type), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(_exact(kind.value_type))
    return pa.list_(_exact(kind.value_type)) if pa.types.is_list(kind) else kind


def plain(value: Any) -> Any:
    """Return a value that JSON has.

    Times are RFC 3339 (without offset if the column has no time zone), durations seconds, bytes
    base64, decimals the nearest number.
    """
    convert = _PLAIN.get(type(value))
    return value if convert is None else convert(value)


def _number(value: Decimal) -> float | int:
    return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)


_PLAIN: dict[type, Callable[[Any], Any]] = {
    bytes: lambda value: base64.b64encode(value).decode(),
    date: date.isoformat,
    datetime: datetime.isoformat,
    Decimal: _number,
    dict: lambda value: {name: plain(member) for name, member in value.items()},
    list: lambda value: [plain(member) for member in value],
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    tuple: lambda value: [plain(member) for member in value],
    UUID: str,
}
