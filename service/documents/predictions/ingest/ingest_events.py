"""Takes events in: checks each by itself, writes the good ones in one insert."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from service.auth.caller import Caller
from service.core.cooperative import run_cooperatively
from service.core.errors import FieldError, Refused, ServiceError
from service.documents.predictions.errors import ModelForbidden, PredictionConflict
from service.documents.predictions.ingest.decode import (
    Rejected,
    decode_batch,
    decode_event,
    has_escaped_nul,
)
from service.documents.predictions.ingest.event import Event, TooBig, find_violation, to_document
from service.documents.predictions.ingest.writer import PredictionWriter
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document, now
from service.web.strict_json import DuplicateKey, InvalidJson, InvalidUtf8, TooDeep

STATUS = {"created": 201, "duplicate": 200, "conflict": 409, "rejected": 422}
_FORBIDDEN = FieldError(
    pointer="/model", code=ModelForbidden.code, detail="Your key is bound to other models."
)
# Faults that make the request of a single event unreadable, and not just wrong.
BAD_REQUESTS = {kind.code: kind for kind in (InvalidJson, InvalidUtf8, DuplicateKey, TooDeep)}


class Result(Struct, omit_defaults=True):
    """What became of one event; see :class:`IntakeResult`."""

    prediction_id: UUID | None
    status: int
    code: str
    errors: list[FieldError] = []


class BatchResult(Struct):
    """The answer to a batch; see :class:`BatchRead`."""

    created: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[Result]

    @classmethod
    def of(cls, results: list[Result]) -> "BatchResult":
        count = counts(results)
        return cls(
            created=count["created"],
            duplicates=count["duplicate"],
            conflicts=count["conflict"],
            rejected=count["rejected"],
            results=results,
        )


async def ingest_batch(log: PredictionWriter, body: bytes) -> list[Result]:
    """The results of a body ``{"items": […]}``, in its order.

    Raises:
        BadRequest: it is not JSON.
        NotABatch: it is not of that shape, or has no events, or too many.
    """
    return await ingest(log, decode_batch(body), suspicious=has_escaped_nul(body))


async def ingest_one(log: PredictionWriter, body: bytes) -> Result:
    """The result of a body that is one event: created or duplicate.

    Raises:
        BadRequest: it is not JSON.
        Refused: it is not an event.
        ModelForbidden: the caller's key is bound to other models.
        PredictionConflict: another event was logged under its id.
    """
    suspicious, rules = has_escaped_nul(body), await log.retention.get()
    document = _prepared(decode_event(body), log.caller, rules, now(), suspicious=suspicious)
    if isinstance(document, Rejected):
        raise _refusal(document.error)
    code = await log.insert(document)
    if code == "conflict":
        raise PredictionConflict
    return _result(document["_id"], code)


def _refusal(fault: FieldError) -> ServiceError:
    if fault is _FORBIDDEN:
        return ModelForbidden()
    if fault["code"] in BAD_REQUESTS:
        return BAD_REQUESTS[fault["code"]](fault["detail"])
    return Refused("See errors: each names its place in the event.", errors=[fault])


async def ingest(
    log: PredictionWriter, events: Iterable[Event | Rejected], *, suspicious: bool
) -> list[Result]:
    """Writes the events that are good and new; the result of each, in their order."""
    received_at, rules = now(), await log.retention.get()
    prepared = await run_cooperatively(
        _prepared(event, log.caller, rules, received_at, suspicious=suspicious) for event in events
    )
    codes = iter(await log.insert_all([each for each in prepared if isinstance(each, dict)]))
    return [
        _result(each["_id"], next(codes)) if isinstance(each, dict) else _rejected(each)
        for each in prepared
    ]


def _prepared(
    event: Event | Rejected,
    caller: Caller,
    rules: Rules,
    received_at: datetime,
    *,
    suspicious: bool,
) -> Document | Rejected:
    """What is to be kept, or why not."""
    if isinstance(event, Rejected):
        return event
    fault = find_violation(event, received_at, suspicious=suspicious)
    if fault is None and not caller.may_use(event.model):
        fault = _FORBIDDEN
    if fault is None:
        fault = rules.fault_in(event.prediction_id, event.model, event.version, event.timestamp)
    if fault is not None:
        return Rejected(event.prediction_id, fault)
    try:
        return rules.stamped(to_document(event, received_at))
    except TooBig as refusal:
        return Rejected(event.prediction_id, refusal.errors[0])


def _result(prediction_id: UUID | None, code: str) -> Result:
    return Result(prediction_id, STATUS[code], code)


def _rejected(event: Rejected) -> Result:
    status = 403 if event.error is _FORBIDDEN else STATUS["rejected"]
    return Result(event.prediction_id, status, "rejected", [event.error])


def counts(results: Iterable[Result]) -> Counter[str]:
    """How many were created, duplicate, conflict and rejected."""
    return Counter(result.code for result in results)
