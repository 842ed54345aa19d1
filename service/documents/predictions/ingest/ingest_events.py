"""Log events: check each by itself, write the valid ones with one insert."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from service.auth.caller import Caller, ModelForbidden
from service.core.cooperative import run_cooperatively
from service.core.errors import FieldError, Refused, ServiceError, field_error
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.decode import (
    Rejected,
    decode_batch,
    decode_event,
    has_escaped_nul,
)
from service.documents.predictions.ingest.event import Event, TooBig, find_violation, to_document
from service.documents.predictions.ingest.schemas import IntakeResult, ResultStatus
from service.documents.predictions.ingest.writer import PredictionWriter
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document, now
from service.web.strict_json import DuplicateKey, InvalidJson, InvalidUtf8, TooDeep

STATUS: dict[str, ResultStatus] = {"created": 201, "duplicate": 200, "conflict": 409}
_FORBIDDEN = field_error(
    pointer="/model", code=ModelForbidden.code, detail="Your key is bound to other models."
)
# Errors of the JSON itself: the request of a single event is then answered with 400, not 422.
BAD_REQUESTS = {kind.code: kind for kind in (InvalidJson, InvalidUtf8, DuplicateKey, TooDeep)}


async def ingest_batch(writer: PredictionWriter, body: bytes) -> list[IntakeResult]:
    """Log the events of a body ``{"items": […]}``; return their results in its order.

    Raises:
        BadRequest: the body is not JSON.
        NotABatch: the body has another shape, no events or too many.
    """
    return await ingest(writer, decode_batch(body), suspicious=has_escaped_nul(body))


async def ingest_one(writer: PredictionWriter, body: bytes) -> IntakeResult:
    """Log a body that is one event; return that it was created or is a duplicate.

    Raises:
        BadRequest: the body is not JSON.
        Refused: the body is not an event.
        ModelForbidden: the caller's key is bound to other models.
        PredictionConflict: another event was logged under its id.
    """
    suspicious, rules = has_escaped_nul(body), await writer.retention.get()
    document = _prepare(decode_event(body), writer.caller, rules, now(), suspicious=suspicious)
    if isinstance(document, Rejected):
        raise _service_error(document.error)
    code = await writer.insert(document)
    if code == "conflict":
        raise PredictionConflict
    return _result(document["_id"], code)


def _service_error(error: FieldError) -> ServiceError:
    if error is _FORBIDDEN:
        return ModelForbidden()
    if error["code"] in BAD_REQUESTS:
        return BAD_REQUESTS[error["code"]](error["detail"])
    return Refused("Correct the event at the places that `errors` names.", errors=[error])


async def ingest(
    writer: PredictionWriter, events: Iterable[Event | Rejected], *, suspicious: bool
) -> list[IntakeResult]:
    """Write the events that are valid and new; return the result of each, in their order."""
    received_at, rules = now(), await writer.retention.get()
    prepared = await run_cooperatively(
        _prepare(event, writer.caller, rules, received_at, suspicious=suspicious)
        for event in events
    )
    codes = iter(await writer.insert_all([item for item in prepared if isinstance(item, dict)]))
    return [
        _result(item["_id"], next(codes)) if isinstance(item, dict) else _rejected(item)
        for item in prepared
    ]


def _prepare(
    event: Event | Rejected,
    caller: Caller,
    rules: Rules,
    received_at: datetime,
    *,
    suspicious: bool,
) -> Document | Rejected:
    """Return the document to store, or the error of the event."""
    if isinstance(event, Rejected):
        return event
    error = find_violation(event, received_at, suspicious=suspicious)
    if error is None and not caller.may_use(event.model):
        error = _FORBIDDEN
    if error is None:
        error = rules.expiry_violation(
            event.prediction_id, event.model, event.version, event.timestamp
        )
    if error is not None:
        return Rejected(event.prediction_id, error)
    try:
        return rules.with_expiry(to_document(event, received_at))
    except TooBig as too_big:
        return Rejected(event.prediction_id, too_big.errors[0])


def _result(prediction_id: UUID, code: str) -> IntakeResult:
    return IntakeResult(prediction_id, STATUS[code], code)


def _rejected(event: Rejected) -> IntakeResult:
    status: ResultStatus = 403 if event.error is _FORBIDDEN else 422
    return IntakeResult(event.prediction_id, status, "rejected", [event.error])
