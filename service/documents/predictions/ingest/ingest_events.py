"""Log events: check each by itself, write the valid ones with one insert."""

from collections.abc import Iterable

from service.auth.caller import ModelForbidden
from service.core.cooperative import run_cooperatively
from service.core.errors import FieldError, Refused, ServiceError, field_error
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.decode import decode_batch, decode_in_parts
from service.documents.predictions.ingest.document import TooBig, to_document
from service.documents.predictions.ingest.event import Event, find_violation
from service.documents.predictions.ingest.read_event import Rejected
from service.documents.predictions.ingest.schemas import IntakeResult, ResultStatus
from service.documents.predictions.ingest.writer import PredictionWriter
from service.documents.retention.rules import Rules
from service.stores.mongo.client import Document, now
from service.web.bodies.strict_json import DuplicateKey, InvalidJson, InvalidUtf8, TooDeep

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
    return await ingest(writer, decode_batch(body))


async def ingest_one(writer: PredictionWriter, body: bytes) -> IntakeResult:
    """Log a body that is one event; return that it was created or is a duplicate.

    Raises:
        BadRequest: the body is not JSON.
        Refused: the body is not an event.
        ModelForbidden: the caller's key is bound to other models.
        PredictionConflict: another event was logged under its id.
    """
    rules = await writer.retention.get()
    preparation = _Preparation(writer, rules)
    *_, document = await run_cooperatively(map(preparation.prepare, decode_in_parts(body)))
    assert document is not None  # noqa: S101 - the last one is the result
    if isinstance(document, Rejected):
        raise _service_error(document.errors)
    code = await writer.insert(document)
    if code == "conflict":
        raise PredictionConflict
    return _result(document, code)


def _service_error(errors: list[FieldError]) -> ServiceError:
    first = errors[0]
    if first is _FORBIDDEN:
        return ModelForbidden()
    if first["code"] in BAD_REQUESTS:
        return BAD_REQUESTS[first["code"]](first["detail"])
    return Refused("Correct the event at the places that `errors` names.", errors=errors)


async def ingest(
    writer: PredictionWriter, events: Iterable[Event | Rejected | None]
) -> list[IntakeResult]:
    """Write the events that are valid and new; return the result of each, in their order.

    None among them is a part of the work, between which other tasks run.
    """
    preparation = _Preparation(writer, await writer.retention.get())
    parts = await run_cooperatively(map(preparation.prepare, events))
    prepared = [item for item in parts if item is not None]
    codes = iter(await writer.insert_all([item for item in prepared if isinstance(item, dict)]))
    return [
        _result(item, next(codes)) if isinstance(item, dict) else _rejected(item)
        for item in prepared
    ]


class _Preparation:
    """Makes documents of the events of one request."""

    def __init__(self, writer: PredictionWriter, rules: Rules) -> None:
        self._caller, self._max_bytes = writer.caller, writer.max_event_bytes
        self._rules, self._received_at = rules, now()

    def prepare(self, event: Event | Rejected | None) -> Document | Rejected | None:
        """Return the document to store, or the errors of the event; None of None."""
        if event is None or isinstance(event, Rejected):
            return event
        error = find_violation(event, self._received_at)
        if error is None and not self._caller.may_use(event.model):
            error = _FORBIDDEN
        if error is not None:
            return Rejected(event.prediction_id, [error])
        try:
            document = to_document(event, self._received_at, self._max_bytes)
        except TooBig as too_big:
            return Rejected(event.prediction_id, list(too_big.errors))
        error = self._rules.expiry_violation(
            document["_id"], event.model, document["version"], event.timestamp
        )
        if error is not None:
            return Rejected(event.prediction_id, [error])
        return self._rules.with_expiry(document)


def _result(document: Document, code: str) -> IntakeResult:
    prediction_id = document.get("prediction_id", document["_id"])
    return IntakeResult(prediction_id, STATUS[code], code)


def _rejected(event: Rejected) -> IntakeResult:
    status: ResultStatus = 403 if event.errors[0] is _FORBIDDEN else 422
    return IntakeResult(event.prediction_id, status, "rejected", event.errors)
