"""Rows as lines of the intake: the event, and its label if the row has one."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from service.cli.load.cells import converter
from service.cli.load.mapping import JSON_FIELDS, LABEL, Plan, read_json
from service.cli.load.rows import Row
from service.cli.load.times import Times
from service.core.csv import unescape_formula

NAMESPACE = UUID("7d0d2c8e-5f0e-5b0c-9d2a-4b1f6e0c3a57")
_TEXTS = ("prediction_id", "user_id", "order_id", "trace_id", "request_id", "label_source")
_MAX_EXACT = 2**53  # beyond it a float stands for several integers
_TIMES = ("timestamp", "sent_at")
_LABEL_FIELDS = {"label", "observed_at", "label_source"}
_json, _sorted_json = json.JSONEncoder(separators=(",", ":")), json.JSONEncoder(sort_keys=True)


class Lines(NamedTuple):
    """A row as JSON lines without their ends; ``label`` is None if the row has none."""

    row: Row
    event: bytes
    label: bytes | None


class EventWriter:
    """Write the rows of one file.

    ``constants`` are fields that all rows share: model, version, and ``timestamp`` if no column has
    it. ``source`` is that of the labels.
    """

    def __init__(self, plan: Plan, times: Times, constants: Mapping[str, str], source: str) -> None:
        self._plan, self._times, self._constants, self._source = plan, times, constants, source
        self._used = plan.used
        self._converters: dict[str, Callable[[Any], Any]] = {
            name: converter(kind) for name, kind in plan.kinds.items()
        }
        self._is_escaped = plan.is_export and bool(plan.kinds)  # as spreadsheets need it
        if plan.is_export:
            columns = (plan.fields[name] for name in JSON_FIELDS & plan.fields.keys())
            self._converters |= dict.fromkeys(columns, _from_json)

    def lines(self, row: Row) -> Lines:
        """Return the lines of a row that could be read."""
        event = self._event(row)
        label = self._label(row, event)
        return Lines(row, _encode(event), None if label is None else _encode(label))

    def _event(self, row: Row) -> dict[str, Any]:
        value = self._reader(row)
        event: dict[str, Any] = dict(self._constants)
        output: dict[str, Any] = {}
        parts: dict[str, dict[str, Any]] = {"features": {}, "output": output, "tags": {}}
        for field, column in self._plan.fields.items():
            content = value(column)
            if content is None or field in _LABEL_FIELDS:
                continue
            if field in parts and isinstance(content, dict):
                parts[field].update(content)
            elif field.startswith("output."):
                name = field.removeprefix("output.")
                output[name] = integral(content) if field == LABEL else content
            else:
                event[field] = self._field(field, content, row.values[column])
        if self._plan.scores:
            output["scores"] = {name: value(name) for name in self._plan.scores}
        parts["tags"] |= self._tags(row)
        if "features" not in self._plan.fields:
            names = (name for name in row.values if name not in self._used)
            parts["features"] = {name: value(name) for name in names}
        if "prediction_id" not in event:
            event["prediction_id"] = self._derived_id(row)
        filled = {name: part for name, part in parts.items() if part or name == "features"}
        return filled | event  # features that are no object are refused by the service

    def _reader(self, row: Row) -> Callable[[str], Any]:
        """Return the function from a column to its value; a cell of CSV has its column's type."""
        values, converters = row.values, self._converters
        if not converters:
            return values.get
        return lambda name: converters.get(name, _same)(values.get(name))

    def _field(self, field: str, content: Any, raw: Any) -> Any:
        if field in _TEXTS:
            return unescape_formula(_text(raw)) if self._is_escaped else _text(raw)
        return self._times.read(content) if field in _TIMES else content

    def _tags(self, row: Row) -> dict[str, str]:
        tags = ((name, row.values.get(name)) for name in self._plan.tags)
        return {name: _text(value) for name, value in tags if value not in (None, "")}

    def _label(self, row: Row, event: Mapping[str, Any]) -> dict[str, Any] | None:
        value, fields = self._reader(row), self._plan.fields
        label = value(fields["label"]) if "label" in fields else None
        if label is None:
            return None
        observed_at = value(fields["observed_at"]) if "observed_at" in fields else None
        source = value(fields["label_source"]) if "label_source" in fields else None
        if source is None:
            source = self._source
        return {
            "prediction_id": event["prediction_id"],
            "label": integral(label),
            "observed_at": self._times.read(observed_at or event.get("timestamp")),
            "source": self._field("label_source", source, source),
        }

    def _derived_id(self, row: Row) -> str:
        """Return the same id for the same row at the same place, in each run.

        The row counts as it stands in the file. Therefore another mapping gives the same id, and
        is answered as a conflict instead of being logged beside the first.
        """
        place = [self._constants["model"], self._constants["version"], row.number, row.values]
        return str(uuid5(NAMESPACE, _sorted_json.encode(place)))


def integral(value: Any) -> Any:
    """Return the integer instead of an integral float, because 1.0 and 1 are one label."""
    exact = isinstance(value, float) and value.is_integer() and abs(value) <= _MAX_EXACT
    return int(value) if exact else value


def _from_json(value: Any) -> Any:
    return None if value == "" else read_json(value)


def _same(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _encode(value: dict[str, Any]) -> bytes:
    return _json.encode(value).encode()
