"""Documents of the prediction log: one immutable event each, its labels, and pending pairs."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict
from uuid import UUID

PREDICTIONS = "predictions"
FEEDBACK = "feedback"
PENDING_PAIRS = "prediction_halves"


class PredictionDocument(TypedDict, total=False):
    """One event. ``_id`` is its prediction_id; ``hash`` covers all that the sender sent."""

    _id: UUID
    timestamp: datetime
    model: str
    version: str
    features: dict[str, Any]
    output: dict[str, Any]
    latency_ms: float
    status: str
    error: dict[str, Any] | str
    user_id: UUID
    order_id: UUID
    trace_id: str
    request_id: str
    tags: dict[str, str]
    sampling_weight: float
    role: str
    sent_at: datetime
    received_at: datetime
    hash: bytes
    expires_at: datetime


class ObservationDocument(TypedDict):
    """One label as it was reported, or with ``withdrawn`` one that takes back others.

    Structured labels are ``{"json": text}``; see ``label_values.py``.
    """

    label: NotRequired[int | bool | float | str | dict[str, str]]
    observed_at: datetime
    source: NotRequired[str]
    received_at: datetime
    withdrawn: NotRequired[bool]


class FeedbackDocument(TypedDict):
    """The labels of the prediction ``_id``; ``latest`` is the last that was not withdrawn.

    ``prediction_id`` and ``models`` are those of labels that a bound key sent early; see
    ``reading/feedback.py``.
    """

    _id: UUID
    latest: NotRequired[ObservationDocument]
    history: list[ObservationDocument]
    version: int
    prediction_id: NotRequired[UUID]
    models: NotRequired[list[str]]
    expires_at: NotRequired[datetime]


class HalfDocument(TypedDict, total=False):
    """A request or a response as received; ``data`` is removed once the pair became events.

    ``refusal`` is why it cannot be read; ``event`` is then what it came in, to read it again.
    """

    data: bytes
    hash: bytes
    time: datetime | None
    trace_id: str | None
    version: str
    refusal: dict[str, str]
    event: dict[str, Any]


class PairDocument(TypedDict, total=False):
    """A request and its response, or one of them. ``_id`` is derived from what they share.

    ``state`` is ``waiting``, ``whole`` (both are stored), ``logged`` (events were written) or
    ``refused``: the two make no event, for which ``refusal`` has the reason, or one has its own.
    """

    _id: UUID
    request: HalfDocument
    response: HalfDocument
    model: str
    event_id: str
    context: dict[str, str]
    state: str
    rows: int
    refusal: dict[str, str]
    received_at: datetime
    expires_at: datetime
