"""Takes events in: decodes and checks each by itself, writes the good ones in one insert."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from msgspec import Raw, Struct

from service.errors import BadRequest, FieldError, Refused, pointer_to
from service.json_body import InvalidJson, InvalidUtf8
from service.mongo import now
from service.predictions.event import Event, as_document, fault_in
from service.predictions.repository import PredictionConflict, PredictionLog
from service.wire import MOST_AT_ONCE

STATUS = {"created": 201, "duplicate": 200, "conflict": 409, "rejected": 422}
ESCAPED_NUL = b"\\u0000"


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


class Batch(Struct, forbid_unknown_fields=True):
    items: list[Event]


class RawBatch(Struct, forbid_unknown_fields=True):
    items: list[Raw]


class NotABatch(Refused):
    code, title = "not_a_batch", "This is not a batch of events"
    detail = f'Send {{"items": [event, …]}} with 1 to {MOST_AT_ONCE} events.'


_event = msgspec.json.Decoder(Event)
_batch = msgspec.json.Decoder(Batch)
_raw_batch = msgspec.json.Decoder(RawBatch)
_PATH = re.compile(r" - at `\$?(.*?)`$")


async def ingest_batch(log: PredictionLog, body: bytes) -> list[Result]:
    """The results of a body ``{"items": […]}``, in its order.

    Raises:
        BadRequest: it is not JSON.
        NotABatch: it is not of that shape, or has no events, or too many.
    """
    events: Sequence[Event | Result]
    try:
        events = _batch.decode(body).items
    except (msgspec.ValidationError, RecursionError):
        events = [decode_event(bytes(raw)) for raw in _raw_items(body)]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(error) from error
    if not 1 <= len(events) <= MOST_AT_ONCE:
        raise NotABatch
    return await ingest(log, events, suspicious=ESCAPED_NUL in body)


async def ingest_one(log: PredictionLog, body: bytes) -> Result:
    """The result of a body that is one event: created or duplicate.

    Raises:
        BadRequest: it is not JSON.
        Refused: it is not an event.
        PredictionConflict: another event was logged under its id.
    """
    event = decode_event(body)
    (result,) = await ingest(log, [event], suspicious=ESCAPED_NUL in body)
    if result.code == "rejected":
        (fault,) = result.errors
        if fault["code"] in (InvalidJson.code, InvalidUtf8.code):
            raise InvalidJson
        raise Refused("See errors: each names its place in the event.", errors=[fault])
    if result.code == "conflict":
        raise PredictionConflict
    return result


def _raw_items(body: bytes) -> list[Raw]:
    try:
        return _raw_batch.decode(body).items
    except (msgspec.ValidationError, RecursionError) as error:
        raise NotABatch from error


def decode_event(line: bytes) -> Event | Result:
    """The event in ``line``, or the result that says why there is none."""
    try:
        return _event.decode(line)
    except msgspec.ValidationError as error:
        return _rejected(_id_in(line), _as_field_error(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        code = _not_json(error).code
        fault = FieldError(pointer="", code=code, detail="This is not JSON in UTF-8.")
        return _rejected(None, fault)


async def ingest(
    log: PredictionLog, events: Iterable[Event | Result], *, suspicious: bool
) -> list[Result]:
    """Writes the events that are good and new; the result of each, in their order."""
    received_at = now()
    results = [_checked(event, suspicious=suspicious) for event in events]
    good = [each for each in results if isinstance(each, Event)]
    documents = [as_document(event, received_at) for event in good]
    codes = iter(await log.insert_all(documents))
    return [
        each if isinstance(each, Result) else _result(each.prediction_id, next(codes))
        for each in results
    ]


def _checked(event: Event | Result, *, suspicious: bool) -> Event | Result:
    if isinstance(event, Result):
        return event
    fault = fault_in(event, suspicious=suspicious)
    return event if fault is None else _rejected(event.prediction_id, fault)


def _result(prediction_id: UUID, code: str) -> Result:
    return Result(prediction_id, STATUS[code], code)


def _rejected(prediction_id: UUID | None, fault: FieldError) -> Result:
    return Result(prediction_id, STATUS["rejected"], "rejected", [fault])


def counts(results: Iterable[Result]) -> Counter[str]:
    """How many were created, duplicate, conflict and rejected."""
    return Counter(result.code for result in results)


def _not_json(error: Exception) -> BadRequest:
    return InvalidUtf8() if isinstance(error, UnicodeDecodeError) else InvalidJson(str(error))


def _id_in(line: bytes) -> UUID | None:
    try:
        return msgspec.json.decode(line, type=_OnlyId).prediction_id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class _OnlyId(Struct):
    prediction_id: UUID


def _as_field_error(error: msgspec.ValidationError) -> FieldError:
    """msgspec says ``Expected `int`, got `str` - at `$.output.label```."""
    text = str(error)
    found = _PATH.search(text)
    steps = re.findall(r"[^.\[\]]+", found[1]) if found else []
    detail = _PATH.sub("", text)
    missing = re.fullmatch(r"Object missing required field `(\w+)`", detail)
    if missing:
        steps.append(missing[1])
    return FieldError(pointer=pointer_to(steps), code="invalid", detail=f"{detail}.")
