"""The event, as an inference service sends it.

msgspec decodes it instead of Pydantic, because a batch of a thousand is decoded and checked in one
typed pass. Most events are a :class:`PlainEvent`, which this pass takes as it is. ``read_event.py``
reads the others.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from service.core.errors import FieldError, field_error
from service.documents.predictions.clock import future_violation
from service.documents.predictions.ids import ID_SCHEMA
from service.documents.predictions.reading.schemas import NonfiniteName, Role, Status
from service.web.bodies.strict_json import INT64
from service.web.problems import pointer_to
from service.web.schemas import EARLIEST, LATEST, TIME_PATTERN

DEFAULT_EVENT_BYTES = 1_048_576
# The last part is for Python only, whose $ also matches before a trailing newline.
_WORD = r"^[^\x00-\x1f$][^\x00-\x1f]*$(?!\n)"
Word = Annotated[str, Meta(min_length=1, max_length=200, pattern=_WORD)]
Int64 = Annotated[int, Meta(ge=-INT64, le=INT64 - 1)]
Moment = Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": TIME_PATTERN})]
# A UUID or text at run time, which msgspec does not take as a union.
Id = Annotated[Any, Meta(extra_json_schema=ID_SCHEMA)]
Scores = dict[str, float | None] | list[float | None]
Scalar = Int64 | float | str | bool | None
# Values that BSON holds as they are, to the depth that models have: a type may not name itself.
_Values: Any = Scalar
for _ in range(6):
    _Values = Scalar | list[_Values] | dict[str, _Values]


class Output(Struct, omit_defaults=True, frozen=True):
    """The output of the model: a class, its score, the scores of all classes, or a number.

    1.0 as a label is the integer 1. Further fields, such as a text, a ranking or boxes, are kept.
    """

    label: Any = None
    score: float | None = None
    scores: Scores | None = None
    value: float | None = None


class PlainOutput(Output, forbid_unknown_fields=True, frozen=True):
    """An output without further fields."""

    label: Int64 | float | bool | str | None = None


class Failure(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True):
    """The error because of which the model has no output."""

    type: str | None = None
    message: str | None = None


class Event(Struct, forbid_unknown_fields=True, omit_defaults=True, frozen=True, kw_only=True):
    """One prediction. The sender mints ``prediction_id``, which makes every retry safe.

    Features, scores and tags have any names without NUL. NaN, Infinity and -Infinity are numbers,
    as Python writes them; or null, with the place in ``nonfinite``: ``{"/features/age": "NaN"}``.
    Integers have up to 34 digits. The last value counts where a key is repeated in an object.

    ``sampling_weight`` is how many predictions this one stands for, where only some are logged.
    ``sent_at`` is the sender's clock when it sent the event; a retry may have another.
    ``received_at`` is ignored, so that exported events can be sent again.
    """

    prediction_id: Id
    timestamp: Moment
    model: Word
    version: Word | int | float | bool
    features: dict[str, Any]
    output: Output | None = None
    latency_ms: Annotated[float, Meta(ge=0)] | None = None
    status: Status = "ok"
    error: Failure | str | None = None
    user_id: Id = None
    order_id: Id = None
    trace_id: Word | None = None
    request_id: Word | None = None
    tags: Mapping[str, str | int | float | bool] = {}
    sampling_weight: Annotated[float, Meta(ge=1, le=1e9)] = 1.0
    sent_at: Moment | None = None
    role: Role = "primary"
    nonfinite: Mapping[str, NonfiniteName] | None = None
    received_at: Any = None


class PlainEvent(Event, frozen=True, kw_only=True):
    """An event that is stored as it is decoded."""

    prediction_id: UUID
    version: Word
    features: dict[str, _Values]
    output: PlainOutput | None = None
    user_id: UUID | None = None
    order_id: UUID | None = None
    tags: dict[str, str] = {}
    nonfinite: None = None


def time_violation(name: str, moment: datetime, received_at: datetime) -> FieldError | None:
    """Return the error of a time that is out of range or more than one hour ahead of the server."""
    if not EARLIEST <= moment < LATEST:
        detail = "Send a time between the years 1900 and 2200."
        return field_error(pointer_to((name,)), "out_of_range", detail)
    return future_violation(name, moment, received_at) if name == "timestamp" else None


def find_violation(event: Event, received_at: datetime) -> FieldError | None:
    """Return the first violation that the types do not catch, or None."""
    error = time_violation("timestamp", event.timestamp, received_at)
    if error is None and event.sent_at is not None:
        error = time_violation("sent_at", event.sent_at, received_at)
    return error
