"""Events as a Parquet file, a row group a page. Imported only when one is asked for: see export."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from typing_extensions import override

from service.documents.predictions.export.row_formats import AS_JSON, FIELDS, LABEL_FIELDS, Latest
from service.documents.predictions.reading.encoding import encode_json
from service.stores.mongo.client import Document

_MOMENT = pa.timestamp("ms", tz="UTC")
_TYPES = {
    "timestamp": _MOMENT,
    "received_at": _MOMENT,
    "label_observed_at": _MOMENT,
    "latency_ms": pa.float64(),
    "sampling_weight": pa.float64(),
    "sent_at": _MOMENT,
}
# All that is not listed is text; what differs from event to event is JSON text.
_COUNTED = ["timestamp", "received_at", "model", "version", "status", "latency_ms"]


def schema_of(*, labels: bool) -> pa.Schema:
    """The same for every file, whatever is in it."""
    names = (*FIELDS, *(LABEL_FIELDS if labels else ()))
    always = {"prediction_id", "timestamp", "model", "version", "features", "status"}
    return pa.schema(
        pa.field(name, _TYPES.get(name, pa.string()), nullable=name not in always) for name in names
    )


class ParquetRows:
    """Compressed with zstd; statistics on the columns by which readers leave out row groups."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, *, labels: bool) -> None:
        self._schema = schema_of(labels=labels)
        self._columns: dict[str, list[Any]] = {name: [] for name in self._schema.names}
        self._labels = labels
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            write_statistics=_COUNTED,
            use_dictionary=["model", "version", "status", "role", "label_source", "error", "tags"],
        )

    def begin(self) -> bytes:
        return self._sink.take()

    def rows(self, documents: Iterable[Document], latest: Latest) -> Iterator[bytes]:
        for document in documents:
            self._add(document, latest.get(document["_id"]))
            yield b""

    def page(self) -> bytes:
        self._writer.write_table(pa.table(self._columns, schema=self._schema))
        for column in self._columns.values():
            column.clear()
        return self._sink.take()

    def end(self) -> bytes:
        self._writer.close()
        return self._sink.take()

    def _add(self, document: Document, told: Document | None) -> None:
        said = {"tags": {}, "sampling_weight": 1.0, **document, "prediction_id": document["_id"]}
        if self._labels and told is not None:
            label = told["latest"]
            values = (label["label"], label["observed_at"], label["source"])
            said |= dict(zip(LABEL_FIELDS, values, strict=True))
        for name, column in self._columns.items():
            value = said.get(name)
            if value is not None and name not in _TYPES:
                value = encode_json(value).decode() if name in AS_JSON else str(value)
            column.append(value)


class _Sink(io.RawIOBase):
    """What has been written since it was taken last."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._size

    @override
    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self._size += len(piece)
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken
