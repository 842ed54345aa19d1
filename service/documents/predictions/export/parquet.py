"""Write events as a Parquet file, one row group per page.

Imported on demand, because pyarrow takes 40 MB and is not installed everywhere.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from service.documents.predictions.export.row_formats import (
    COLUMNS,
    JSON_COLUMNS,
    Labels,
)
from service.documents.predictions.label_values import from_stored
from service.documents.predictions.reading.encoding import encode_json, encode_python_json
from service.documents.predictions.reading.labels import LABEL_COLUMNS
from service.stores.mongo.client import Document
from service.web.parquet import DrainedFile

_TIMESTAMP = pa.timestamp("ms", tz="UTC")
# All other columns are text; values that differ between events are JSON text.
_TYPES = {
    "timestamp": _TIMESTAMP,
    "received_at": _TIMESTAMP,
    "label_observed_at": _TIMESTAMP,
    "latency_ms": pa.float64(),
    "sampling_weight": pa.float64(),
    "sent_at": _TIMESTAMP,
}
_WITH_STATISTICS = ["timestamp", "received_at", "model", "version", "status", "latency_ms"]
_WITH_DICTIONARY = ["model", "version", "status", "role", "label_source", "error", "tags"]
_REQUIRED = {"prediction_id", "timestamp", "model", "version", "features", "status"}


def create_schema(*, labels: bool) -> pa.Schema:
    """Return the schema, which is the same for every file with or without labels."""
    names = (*COLUMNS, *(LABEL_COLUMNS if labels else ()))
    return pa.schema(
        pa.field(name, _TYPES.get(name, pa.string()), nullable=name not in _REQUIRED)
        for name in names
    )


class ParquetRows:
    """Compressed with zstd; statistics on the columns by which readers skip row groups."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, *, labels: bool) -> None:
        self._schema = create_schema(labels=labels)
        self._columns: dict[str, list[Any]] = {name: [] for name in self._schema.names}
        self._with_labels = labels
        self._buffer = DrainedFile()
        self._writer = pq.ParquetWriter(
            self._buffer,
            self._schema,
            compression="zstd",
            write_statistics=_WITH_STATISTICS,
            use_dictionary=_WITH_DICTIONARY,
        )

    def begin(self) -> bytes:
        return self._buffer.drain()

    def rows(self, documents: Iterable[Document], labels: Labels) -> Iterator[bytes]:
        for document in documents:
            self._add(document, labels.get(document["_id"]))
            yield b""

    def page(self) -> bytes:
        # By columns, because each call holds the GIL: all at once take 4 ms (measured).
        arrays = [pa.array(self._columns[field.name], field.type) for field in self._schema]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for column in self._columns.values():
            column.clear()
        return self._buffer.drain()

    def end(self) -> bytes:
        self._writer.close()
        return self._buffer.drain()

    def _add(self, document: Document, feedback: Document | None) -> None:
        row = {"tags": {}, "sampling_weight": 1.0, "prediction_id": document["_id"], **document}
        encode = encode_python_json if "nonfinite" in document else encode_json
        if self._with_labels and feedback is not None:
            latest = feedback["latest"]
            values = (from_stored(latest["label"]), latest["observed_at"], latest["source"])
            row |= dict(zip(LABEL_COLUMNS, values, strict=True))
        for name, column in self._columns.items():
            value = row.get(name)
            if value is not None and name not in _TYPES:
                value = encode(value).decode() if name in JSON_COLUMNS else str(value)
            column.append(value)
