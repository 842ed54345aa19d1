"""The column of each field of the event: as asked for, else guessed from names and values."""

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from service.cli.load.cells import Kind, converter, kind_of
from service.cli.load.rows import Row, Source
from service.cli.load.times import Times, is_number, parse
from service.cli.output import CommandFailed

NONE = ""  # the option of a field that no column has, although one looks like it
LABEL, VALUE, PREDICTION = "output.label", "output.value", "prediction"
# Names in lower case with _ for other characters; the first that a file has is taken.
_NAMES: dict[str, tuple[str, ...]] = {
    "prediction_id": ("prediction_id", "id", "uuid", "event_id"),
    "timestamp": ("timestamp", "time", "datetime", "date", "ts", "event_time", "created_at"),
    "label": ("label", "true_label", "y_true", "actual", "ground_truth", "target"),
    PREDICTION: ("prediction", "predicted_label", "predicted", "y_pred", "y_hat", "yhat"),
    "output.score": (
        "score", "probability", "proba", "y_pred_proba", "y_proba", "y_score", "predicted_proba",
        "prediction_score", "confidence",
    ),
    "observed_at": ("observed_at", "label_observed_at"),
    "user_id": ("user_id",),
    **{name: (name,) for name in ("latency_ms", "order_id", "trace_id", "request_id")},
    **{name: (name,) for name in ("features", "output", "tags")},
}  # fmt: skip
_OBJECTS = {"features", "output", "tags"}
# Of whole events, as the service exports them, taken by these names alone. In other files columns
# named status or role are features.
_EVENT_FIELDS = (
    "prediction_id", "output", "tags", "latency_ms", "user_id", "order_id", "trace_id",
    "request_id", "status", "error", "role", "sampling_weight", "sent_at", "nonfinite",
    "label", "label_source",
)  # fmt: skip
JSON_FIELDS = {*_OBJECTS, "nonfinite", "error", "label"}


class MappingRefused(CommandFailed):
    """The file has no such column, or no time."""


@dataclass(frozen=True)
class Wanted:
    """The options. ``columns`` are by field, NONE for none; the others are names of columns."""

    columns: Mapping[str, str]
    scores: Sequence[str] = ()
    tags: Sequence[str] = ()
    exclude: Sequence[str] = ()
    text: Sequence[str] = ()


@dataclass(frozen=True)
class Plan:
    """The use of each column. ``kinds`` are the types of CSV columns, else empty.

    ``is_export`` means that features and the other JSON_FIELDS are JSON text, as exported CSV and
    Parquet have them.
    """

    fields: Mapping[str, str]
    scores: Sequence[str]
    tags: Sequence[str]
    left_out: frozenset[str]
    features: Sequence[str]
    kinds: Mapping[str, Kind]
    is_export: bool = False

    @property
    def used(self) -> set[str]:
        """Return the columns that are no features."""
        return {*self.fields.values(), *self.scores, *self.tags, *self.left_out}


def make_plan(wanted: Wanted, source: Source, sample: Sequence[Row]) -> Plan:
    """Return what becomes of each column, by the first rows of the file.

    Raises:
        MappingRefused: the file has no column that an option names.
    """
    rows = [row.values for row in sample if row.fault is None]
    columns = source.columns or list(dict.fromkeys(name for row in rows for name in row))
    _check(wanted, columns)
    values: dict[str, list[Any]] = {name: [row.get(name) for row in rows] for name in columns}
    kinds: dict[str, Kind] = {}
    if source.is_text:
        for name, cells in values.items():
            kinds[name] = "text" if name in wanted.text else kind_of(cells)
            values[name] = [*map(converter(kinds[name]), cells)]
    # pandas writes its index as a column without a name, or with this one.
    unnamed = {name for name in columns if not name or name.startswith("__index_level_")}
    left_out = {*wanted.exclude, *unnamed}
    taken = {*left_out, *wanted.scores, *wanted.tags, *wanted.columns.values()}
    fields = _fields(wanted, {name: values[name] for name in columns if name not in taken})
    if PREDICTION in fields:
        column = fields.pop(PREDICTION)
        fields[VALUE if _has_fractions(values[column]) else LABEL] = column
    rest = [name for name in columns if name not in taken.union(fields.values())]
    features, is_export = fields.get("features"), False
    if features is not None:  # these are whole events, whose other columns are no features
        fields |= _event_fields(wanted, columns, may_come_later=source.columns is None)
        left_out, rest = {*left_out, *rest}.difference(fields.values()), []
        is_export = any(isinstance(value, str) for value in values[features])
    return Plan(fields, wanted.scores, wanted.tags, frozenset(left_out), rest, kinds, is_export)


def _event_fields(
    wanted: Wanted, columns: Collection[str], *, may_come_later: bool
) -> dict[str, str]:
    """Return the fields of whole events that have a column, or may have one in a later row."""
    others = {*wanted.columns, *wanted.exclude, *wanted.tags, *wanted.scores}
    others.update(wanted.columns.values())
    free = (name for name in _EVENT_FIELDS if name not in others)
    later = {name for name in _EVENT_FIELDS if may_come_later and len(_NAMES.get(name, "1")) == 1}
    return {name: name for name in free if name in columns or name in later}


def _fields(wanted: Wanted, free: dict[str, list[Any]]) -> dict[str, str]:
    """Return the column of each field; a guess takes one of the ``free``, with its values."""
    fields = {field: name for field, name in wanted.columns.items() if name != NONE}
    for field, names in _NAMES.items():
        asked = field in wanted.columns or (field == PREDICTION and VALUE in wanted.columns)
        column = None if asked else _guess(field, names, free)
        if column is not None:
            fields[field] = column
            del free[column]
    return fields


def check_times(plan: Plan, times: Times, sample: Sequence[Row], *, at: str | None) -> None:
    """Check that rows have times with which they are not refused.

    Raises:
        MappingRefused: the sentence names the option that is missing.
    """
    if "timestamp" not in plan.fields and at is None:
        raise MappingRefused(
            "An event needs a time: name its column with --timestamp, or give all rows the same "
            "one, such as --at 2026-11-01T00:00:00Z."
        )
    for field in ("timestamp", "observed_at", "sent_at"):
        column = plan.fields.get(field)
        missing = {times.lacks(row.values.get(column)) for row in sample} if column else set()
        for option in missing - {None}:
            raise MappingRefused(f"Times in column {column!r} need {option}.")


def describe(plan: Plan, constants: Mapping[str, str]) -> list[str]:
    """Return a line for each field, with its column, or with its value for all rows."""
    entries = dict(constants) | {"prediction_id": "made of model, version, row number and row"}
    entries |= {field: repr(name) for field, name in plan.fields.items()}
    entries["output.scores"], entries["tags"] = _listed(plan.scores), _listed(plan.tags)
    if "features" not in plan.fields:
        entries["features"] = _listed(plan.features, plan.kinds)
    entries["left out"] = _listed(sorted(plan.left_out))
    return [f"{field:<15} {text}" for field, text in entries.items() if text]


def _listed(names: Sequence[str], kinds: Mapping[str, Kind] | None = None) -> str:
    return ", ".join(
        f"{name!r} ({kinds[name]})"
        if kinds and name in kinds
        else repr(name)
        if name
        else "(no name)"
        for name in names
    )


def _check(wanted: Wanted, columns: Sequence[str]) -> None:
    named = (*wanted.columns.values(), *wanted.scores, *wanted.tags, *wanted.exclude, *wanted.text)
    for name in named:
        if name != NONE and name not in columns:
            known = ", ".join(map(repr, columns))
            raise MappingRefused(f"The file has no column {name!r}, but {known}.")


def _guess(field: str, names: Sequence[str], free: Mapping[str, list[Any]]) -> str | None:
    by_name = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in free}
    fits = _FITS.get(field, lambda value: not isinstance(value, dict | list))
    for column in filter(None, map(by_name.get, names)):
        values = [value for value in free[column] if value is not None]
        if sum(map(fits, values)) * 2 > len(values):  # some may be wrong, and will be rejected
            return column
    return None


def read_json(value: Any) -> Any:
    """Return what JSON text means; other values, and other text, are returned as they are."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _is_uuid(value: Any) -> bool:
    try:
        UUID(value)
    except (AttributeError, TypeError, ValueError):
        return False
    return True


# Other ids count from 1 in each file, so that two files would take one another's.
_FITS: dict[str, Callable[[Any], bool]] = {
    "prediction_id": _is_uuid,
    "timestamp": lambda value: is_number(value) or parse(value) is not None,
    "observed_at": lambda value: is_number(value) or parse(value) is not None,
    "latency_ms": is_number,
    "output.score": is_number,
    **dict.fromkeys(_OBJECTS, lambda value: isinstance(read_json(value), dict)),
}


def _has_fractions(values: Sequence[Any]) -> bool:
    """Return whether some value is a number that is not integral."""
    numbers = (value for value in values if isinstance(value, float) and math.isfinite(value))
    return any(not number.is_integer() for number in numbers)
