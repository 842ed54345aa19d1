"""Events as rows of a file: as lines of JSON, or in the fixed columns of a CSV.

Features, output, error and tags differ from model to model and from event to event, so that columns
taken from some of them would be wrong for the others: they are JSON text, whatever is in the file.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol
from uuid import UUID

from service.documents.predictions.reading.encoding import encode_json, to_response_dict
from service.documents.predictions.reading.schemas import PredictionRead
from service.stores.mongo.client import Document
from service.web.csv import escape_formula
from service.web.ndjson import NDJSON
from service.web.schemas import format_time

FIELDS = tuple(PredictionRead.model_fields)
LABEL_FIELDS = ("label", "label_observed_at", "label_source")
AS_JSON = frozenset(("features", "output", "error", "tags", "label"))
# What senders write freely; all else is a time, an id, a number, one of our words, or JSON.
_FREE_TEXT = ("model", "version", "trace_id", "request_id", "label_source")
Row = dict[str, Any]
Latest = Mapping[UUID, Document]


class RowWriter(Protocol):
    """Makes the bytes of a file: those before its rows, of each row, of a page, and at its end.

    ``rows`` does its work one by one, so that others can have their turn in between; ``page``
    does what is left of a page, in a thread.
    """

    media_type: str

    def begin(self) -> bytes: ...

    def rows(self, documents: Iterable[Document], latest: Latest) -> Iterator[bytes]: ...

    def page(self) -> bytes: ...

    def end(self) -> bytes: ...


def labelled(row: Row, told: Document | None) -> Row:
    """The row with the latest label, if there is one."""
    latest = {} if told is None else told["latest"]
    row["label"] = latest.get("label")
    observed_at = latest.get("observed_at")
    row["label_observed_at"] = None if observed_at is None else format_time(observed_at)
    row["label_source"] = latest.get("source")
    return row


def rows_of(documents: Iterable[Document], latest: Latest, *, labels: bool) -> Iterable[Row]:
    """All rows, with their labels if wanted."""
    for document in documents:
        row = to_response_dict(document)
        yield labelled(row, latest.get(document["_id"])) if labels else row


class NdjsonRows:
    """An event a line."""

    media_type = NDJSON

    def __init__(self, *, labels: bool) -> None:
        self._labels = labels

    def begin(self) -> bytes:
        return b""

    def rows(self, documents: Iterable[Document], latest: Latest) -> Iterator[bytes]:
        for row in rows_of(documents, latest, labels=self._labels):
            yield encode_json(row) + b"\n"

    def page(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b""


class CsvRows:
    """A row of names, then an event a row; what is not there is empty (RFC 4180)."""

    media_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, *, labels: bool) -> None:
        self._labels = labels
        self._names = (*FIELDS, *(LABEL_FIELDS if labels else ()))
        self._csv = csv.writer(_Encoded())

    def begin(self) -> bytes:
        return self._written(self._names)

    def rows(self, documents: Iterable[Document], latest: Latest) -> Iterator[bytes]:
        for row in rows_of(documents, latest, labels=self._labels):
            yield self._written([_cell(name, row[name]) for name in self._names])

    def page(self) -> bytes:
        return b""

    def end(self) -> bytes:
        return b""

    def _written(self, cells: Iterable[Any]) -> bytes:
        row: Any = self._csv.writerow(cells)  # gives what the file's write gives
        return bytes(row)


class _Encoded:
    """A file of which each write is its bytes."""

    def write(self, text: str) -> bytes:
        return text.encode()


def _cell(name: str, value: Any) -> Any:
    if value is None:
        return ""
    if name in AS_JSON:
        return encode_json(value).decode()
    return escape_formula(value) if name in _FREE_TEXT else value
