"""A label of a batch or stream, decoded by msgspec for the same reasons as the event."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from math import isfinite
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace
from pydantic import BaseModel, ValidationError

from service.core.errors import MAX_ERRORS, FieldError, ServiceError, field_error, has_surrogate
from service.documents.predictions.clock import MAX_CLOCK_SKEW, future_violation
from service.documents.predictions.ids import MAX_ID_CHARS, parse_id, to_uuid
from service.documents.predictions.ingest.decode import DECODE_ERRORS, load, read_items
from service.documents.predictions.ingest.describe import first_error
from service.documents.predictions.ingest.values import Inspection
from service.documents.predictions.label_values import (
    MAX_LABEL_BYTES,
    is_far_too_large,
    normalize_label,
)
from service.documents.predictions.labels.schemas import LabelWrite, WithdrawalWrite
from service.stores.mongo.client import Document
from service.web.bodies.strict_json import INT64
from service.web.problems import invalid_value
from service.web.schemas import EARLIEST, MAX_ITEMS, TIME_PATTERN, to_milliseconds

_ID = {"description": "A UUID, or other text."}
_VALUE = {"description": f"Any JSON but null, of at most {MAX_LABEL_BYTES} bytes."}
# Longer text and structured labels take the slower path, which measures them.
_MAX_PLAIN_CHARS = 200


class Label(Struct, forbid_unknown_fields=True, frozen=True):
    """One label of a prediction; with ``withdrawn``, labels that are taken back.

    ``label`` is required, except to withdraw: then the label that was observed last is meant, at or
    before ``observed_at``, and of this ``source`` and with this ``label`` if they are sent.
    """

    prediction_id: Annotated[
        str, Meta(min_length=1, max_length=MAX_ID_CHARS, extra_json_schema=_ID)
    ]
    # Times that msgspec does not read take the slower path as well.
    observed_at: Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": TIME_PATTERN})]
    label: (
        Annotated[
            int | bool | float | str | list[Any] | dict[str, Any], Meta(extra_json_schema=_VALUE)
        ]
        | UnsetType
    ) = UNSET
    source: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    withdrawn: bool = False


class LabelStep(NamedTuple):
    """A valid label or withdrawal: its id as it is answered, its key, and its observation."""

    sent_id: UUID | str
    prediction_id: UUID
    observation: Document


class InvalidLabel(Struct):
    """The errors of an item that is not a label, and its prediction_id if it has one."""

    prediction_id: UUID | str | None
    errors: list[FieldError]


class LabelBatch(Struct, forbid_unknown_fields=True):
    items: Annotated[list[Label], Meta(min_length=1, max_length=MAX_ITEMS)]


Parts = Iterator[LabelStep | InvalidLabel | None]
_batch = msgspec.json.Decoder(LabelBatch)
_label = msgspec.json.Decoder(Label)


def decode_label(line: bytes, received_at: datetime) -> Parts:
    """Yield None after each part of the work, and at last the label in ``line``, or its errors."""
    try:
        label = _label.decode(line)
    except DECODE_ERRORS:
        pass
    else:
        yield from _check(label, received_at)
        return
    try:
        yield from _read_strictly(load(line), received_at)
    except ServiceError as error:
        yield InvalidLabel(None, error.errors or [first_error(error)])


def decode_labels(body: bytes, received_at: datetime) -> Parts:
    """Return the items of a body ``{"items": […]}`` in order, checked lazily.

    There is a None after each part of the work on a large item.

    Raises:
        BadRequest: the body is not JSON.
        NotABatch: the body has another shape, no items or too many.
    """
    try:
        labels = _batch.decode(body).items
    except DECODE_ERRORS:
        return chain.from_iterable(_read(item, received_at) for item in read_items(body))
    return chain.from_iterable(_check(label, received_at) for label in labels)


def _read(item: Any, received_at: datetime) -> Parts:
    try:
        label = msgspec.convert(item, Label)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return _read_strictly(item, received_at)
    return _check(label, received_at)


def _check(label: Label, received_at: datetime) -> Parts:
    """Yield the label, or the errors that its types do not catch."""
    value, source = label.label, "unknown" if label.source is UNSET else label.source
    if (
        label.withdrawn
        or not (_is_plain(value) and _is_storable(f"{label.prediction_id}{source}{value}"))
        or not EARLIEST <= label.observed_at <= received_at + MAX_CLOCK_SKEW
    ):
        fields = msgspec.to_builtins(replace(label, label=UNSET))  # a large label is not copied
        sent = {} if value is UNSET else {"label": value}
        yield from _read_strictly(fields | sent, received_at)
        return
    yield _step(
        parse_id(label.prediction_id),
        {
            "label": normalize_label(value),
            "observed_at": to_milliseconds(label.observed_at),
            "source": source,
            "received_at": received_at,
        },
    )


def _is_storable(text: str) -> bool:
    return "\x00" not in text and (text.isascii() or not has_surrogate(text))


def _is_plain(value: Any) -> bool:
    """Return whether this is a number, a boolean or short text, as MongoDB stores it."""
    if isinstance(value, str):
        return len(value) <= _MAX_PLAIN_CHARS
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and -INT64 <= value < INT64


def _step(sent_id: UUID | str, observation: Document) -> LabelStep:
    key = sent_id if isinstance(sent_id, UUID) else to_uuid(sent_id)
    return LabelStep(sent_id, key, observation)


def _read_strictly(item: Any, received_at: datetime) -> Parts:
    """Read again what msgspec rejected, like the body of a single label.

    So every error is reported, in the same words, and both ways accept the same labels.
    """
    fields = item if isinstance(item, dict) else {}
    if is_far_too_large(fields.get("label")):  # a look at millions of values takes too long
        fields = {**fields, "label": None}
    inspection = Inspection()  # makes Decimal128 of large integers
    yield from inspection.inspect(fields)
    errors = inspection.errors + [
        field_error(pointer, "invalid_label", f"{name} is no label.")
        for pointer, name in inspection.nonfinite.items()
    ]
    if errors:
        yield InvalidLabel(_id_of(item), errors[:MAX_ERRORS])
    else:
        yield _validated(item, received_at)


def _validated(item: Any, received_at: datetime) -> LabelStep | InvalidLabel:
    is_withdrawal = isinstance(item, dict) and item.get("withdrawn") is True
    schema = WithdrawalWrite if is_withdrawal else LabelWrite
    try:
        label = schema.model_validate(item)
    except ValidationError as error:
        return InvalidLabel(_id_of(item), _first_of_each_field(error, schema))
    future = future_violation("observed_at", label.observed_at, received_at)
    if future is not None:
        return InvalidLabel(label.prediction_id, [future])
    return _step(label.prediction_id, label.to_observation(received_at))


def _id_of(item: Any) -> UUID | str | None:
    sent = item.get("prediction_id") if isinstance(item, dict) else None
    try:
        return None if isinstance(sent, str) and has_surrogate(sent) else parse_id(sent)
    except ValueError:
        return None


def _first_of_each_field(error: ValidationError, schema: type[BaseModel]) -> list[FieldError]:
    """Return the first error of each field, at the field itself."""
    errors: dict[str, FieldError] = {}
    for found in invalid_value(error, "body", schema).errors:
        pointer = "/".join(found["pointer"].split("/")[:2])
        errors.setdefault(pointer, field_error(pointer, found["code"], found["detail"]))
    return list(errors.values())[:MAX_ERRORS]
