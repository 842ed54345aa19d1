"""Write events as rows of a file: lines of JSON, or the fixed columns of a CSV.

Features, output, error and tags differ between models and events. They are JSON text, because
columns taken from some events would be wrong for the others.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol
from uuid import UUID

from service.core.csv import escape_formula
from service.documents.predictions.reading.encoding import encode_json, to_response_dict
from service.documents.predictions.reading.labels import LABEL_COLUMNS, label_columns
from service.documents.predictions.reading.schemas import PredictionRead
from service.stores.mongo.client import Document
from service.web.bodies.ndjson import NDJSON

COLUMNS = tuple(PredictionRead.model_fields)
JSON_COLUMNS = frozenset(("features", "output", "error", "tags", "nonfinite", "label"))
# Free text of senders; all other columns are times, ids, numbers, fixed words or JSON.
_FREE_TEXT = (
    "prediction_id", "model", "version", "user_id", "order_id", "trace_id", "request_id",
    "label_source",
)  # fmt: skip
Labels = Mapping[UUID, Document]


class RowWriter(Protocol):
    """Write the bytes of a file: its beginning, each row, each page, its end.

    ``rows`` is a generator, so that other tasks run between rows. ``page`` completes a page, in a
    thread.
    """

    media_type: str

    def begin(self) -> bytes: ...

    def rows(self, documents: Iterable[Document], labels: Labels) -> Iterator[bytes]: ...

    def page(self) -> bytes: ...

    def end(self) -> bytes: ...


def event_rows(
    documents: Iterable[Document], labels: Labels, *, with_labels: bool
) -> Iterator[dict[str, Any]]:
    """Yield the columns of each event, with its latest label if ``with_labels``."""
    for document in documents:
        row = to_response_dict(document)
        if with_labels:
            row |= label_columns(labels.get(document["_id"]))
        yield row


class NdjsonRows:
    """One event per line."""

    media_type = NDJSON

    def __init__(self, *, labels: bool) -> None:
        self._with_labels = labels

    def begin(self) -> bytes:
        return b""

    def rows(self, documents: Iterable[Document], labels: Labels) -> Iterator[bytes]:
        for row in event_rows(documents, labels, with_labels=self._with_labels):
            yield encode_json(row) + b"\n"

    def page(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b""


class CsvRows:
    """A header row, then one event per row; missing values are empty (RFC 4180)."""

    media_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, *, labels: bool) -> None:
        self._with_labels = labels
        self._columns = (*COLUMNS, *(LABEL_COLUMNS if labels else ()))
        self._csv = csv.writer(_Encoder())

    def begin(self) -> bytes:
        return self._encode(self._columns)

    def rows(self, documents: Iterable[Document], labels: Labels) -> Iterator[bytes]:
        for row in event_rows(documents, labels, with_labels=self._with_labels):
            yield self._encode([_cell(name, row[name]) for name in self._columns])

    def page(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b""

    def _encode(self, cells: Iterable[Any]) -> bytes:
        encoded: Any = self._csv.writerow(cells)  # returns what the file's write returns
        return bytes(encoded)


class _Encoder:
    """A file whose ``write`` returns the encoded text."""

    def write(self, text: str) -> bytes:
        return text.encode()


def _cell(name: str, value: Any) -> Any:
    if value is None:
        return ""
    if name in JSON_COLUMNS:
        return encode_json(value).decode()
    return escape_formula(value) if name in _FREE_TEXT and isinstance(value, str) else value
