"""A label of a batch or stream, decoded by msgspec for the same reasons as the event."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from pydantic import ValidationError

from service.core.errors import MAX_ERRORS, FieldError, ServiceError, field_error
from service.documents.predictions.ingest.decode import DECODE_ERRORS, find_id, split_items
from service.documents.predictions.ingest.event import Int64, Moment
from service.documents.predictions.labels.history import normalize
from service.documents.predictions.labels.schemas import LabelWrite
from service.stores.mongo.client import Document
from service.web.problems import pointer_to
from service.web.schemas import EARLIEST, LATEST, MAX_ITEMS, to_milliseconds
from service.web.strict_json import parse_json

_INVALID_VALUE = field_error(
    pointer="/label",
    code="invalid_label",
    detail="Send a number of at most 64 bits, true, false, or text of at most 200 characters "
    "without NUL.",
)


class Label(Struct, forbid_unknown_fields=True, frozen=True):
    """One label of a prediction."""

    prediction_id: UUID
    label: Int64 | bool | float | Annotated[str, Meta(max_length=200)]
    observed_at: Moment
    source: Annotated[str, Meta(min_length=1, max_length=200)] = "unknown"


class InvalidLabel(Struct):
    """The errors of an item that is not a label, and its prediction_id if it has one."""

    prediction_id: UUID | None
    errors: list[FieldError]


class LabelBatch(Struct, forbid_unknown_fields=True):
    items: Annotated[list[Label], Meta(min_length=1, max_length=MAX_ITEMS)]


_batch = msgspec.json.Decoder(LabelBatch)
_label = msgspec.json.Decoder(Label)


def decode_label(line: bytes) -> Label | InvalidLabel:
    """Return the label in ``line``, or its errors."""
    try:
        return _check(_label.decode(line))
    except DECODE_ERRORS:
        return _read_strictly(line)


def decode_labels(body: bytes) -> Iterable[Label | InvalidLabel]:
    """Return the items of a body ``{"items": […]}`` in order, checked lazily.

    Raises:
        BadRequest: the body is not JSON.
        NotABatch: the body has another shape, no items or too many.
    """
    try:
        labels = _batch.decode(body).items
    except DECODE_ERRORS:
        return map(decode_label, split_items(body))
    return map(_check, labels)


def _check(label: Label) -> Label | InvalidLabel:
    """Return the label, or the errors that its types do not catch."""
    texts = f"{label.source}{label.label}"
    if "\x00" in texts or not EARLIEST <= label.observed_at < LATEST:
        return _read_strictly(msgspec.json.encode(label))
    return label


def to_observation(label: Label, received_at: datetime) -> Document:
    """Return the label as a history stores it."""
    return {
        "label": normalize(label.label),
        "observed_at": to_milliseconds(label.observed_at),
        "source": label.source,
        "received_at": received_at,
    }


def _read_strictly(line: bytes) -> Label | InvalidLabel:
    """Read again what msgspec rejected, like the body of a single label.

    So every error is reported, in the same words, and both ways accept the same labels.
    """
    try:
        value = parse_json(line)
    except ServiceError as error:
        whole = field_error(pointer="", code=error.code, detail=error.message)
        return InvalidLabel(find_id(line), error.errors or [whole])
    try:
        label = LabelWrite.model_validate(value)
    except ValidationError as error:
        return InvalidLabel(find_id(line), _field_errors(error))
    return Label(label.prediction_id, label.label, label.observed_at, label.source)


def _field_errors(error: ValidationError) -> list[FieldError]:
    """Return the first error per field.

    A label that matches none of its four types would have one error per type.
    """
    errors: dict[str, FieldError] = {}
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        pointer = pointer_to(item["loc"][:1])
        is_value = pointer == "/label" and item["type"] != "missing"
        other = field_error(pointer=pointer, code=item["type"], detail=item["msg"])
        errors.setdefault(pointer, _INVALID_VALUE if is_value else other)
    return list(errors.values())[:MAX_ERRORS]
