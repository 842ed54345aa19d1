"""The label, as whoever finds out the truth sends it; msgspec for the same reasons as the event."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct
from pydantic import ValidationError

from service.core.errors import MAX_ERRORS, FieldError, ServiceError
from service.documents.predictions.ingest.decode import DECODE_ERRORS, find_id, split_items
from service.documents.predictions.ingest.event import Int64
from service.documents.predictions.labels.history import as_kept
from service.documents.predictions.labels.schemas import LabelWrite
from service.stores.mongo.client import Document
from service.web.problems import pointer_to
from service.web.schemas import EARLIEST, LATEST, MAX_ITEMS
from service.web.strict_json import parse_json

_LONGEST_STEP = 200
_NO_LABEL = FieldError(
    pointer="/label",
    code="invalid_label",
    detail="A label is a number of at most 64 bits, true, false, or text of at most 200 characters "
    "without NUL.",
)


class Label(Struct, forbid_unknown_fields=True, frozen=True):
    """See :class:`LabelWrite`, which says what else is refused, and in which words."""

    prediction_id: UUID
    label: Int64 | bool | float | Annotated[str, Meta(max_length=200)]
    observed_at: Annotated[datetime, Meta(tz=True)]
    source: Annotated[str, Meta(min_length=1, max_length=200)] = "unknown"


class WrongLabel(Struct):
    """What stands where a label should be, and why it is none."""

    prediction_id: UUID | None
    errors: list[FieldError]


class LabelBatch(Struct, forbid_unknown_fields=True):
    items: Annotated[list[Label], Meta(min_length=1, max_length=MAX_ITEMS)]


_batch = msgspec.json.Decoder(LabelBatch)
_label = msgspec.json.Decoder(Label)


def decode_label(line: bytes) -> Label | WrongLabel:
    """The label in ``line``, or why there is none."""
    try:
        return _checked(_label.decode(line))
    except DECODE_ERRORS:
        return _read_strictly(line)


def decode_labels(body: bytes) -> Iterable[Label | WrongLabel]:
    """What stands in a body ``{"items": […]}``, in its order, one at a time.

    Raises:
        BadRequest: it is not JSON.
        NotABatch: it is not of that shape, or has no items, or too many.
    """
    try:
        labels = _batch.decode(body).items
    except DECODE_ERRORS:
        return map(decode_label, split_items(body))
    return map(_checked, labels)


def _checked(label: Label) -> Label | WrongLabel:
    """The label, or what is wrong with it that its types do not catch."""
    texts = f"{label.source}{label.label}"
    if "\x00" in texts or not EARLIEST <= label.observed_at < LATEST:
        return _read_strictly(msgspec.json.encode(label))
    return label


def observation_of(label: Label, received_at: datetime) -> Document:
    """What a history keeps of it."""
    moment = label.observed_at.astimezone(UTC)
    return {
        "label": as_kept(label.label),
        "observed_at": moment.replace(microsecond=moment.microsecond // 1000 * 1000),
        "source": label.source,
        "received_at": received_at,
    }


def _read_strictly(line: bytes) -> Label | WrongLabel:
    """Reads again what msgspec refused, as the body of a single label is read.

    So all faults are found, and named as they are there; and what is good there is good here.
    """
    try:
        plain = parse_json(line)
    except ServiceError as refusal:
        whole = FieldError(pointer="", code=refusal.code, detail=refusal.message)
        return WrongLabel(find_id(line), refusal.errors or [whole])
    try:
        told = LabelWrite.model_validate(plain)
    except ValidationError as error:
        return WrongLabel(find_id(line), _faults_in(error))
    return Label(told.prediction_id, told.label, told.observed_at, told.source)


def _faults_in(error: ValidationError) -> list[FieldError]:
    """One for each field, the first; a label that is none of four types has one and not four."""
    faults: dict[str, FieldError] = {}
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        pointer = pointer_to(str(step)[:_LONGEST_STEP] for step in each["loc"][:1])
        fault = FieldError(pointer=pointer, code=each["type"], detail=each["msg"])
        is_missing = each["type"] == "missing"
        faults.setdefault(pointer, fault if pointer != "/label" or is_missing else _NO_LABEL)
    return list(faults.values())[:MAX_ERRORS]
