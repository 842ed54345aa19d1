"""Messages of model servers as pairs store them, and the events that two of them make.

A message that cannot be read is stored too, as it came and with the reason: its sender sends it
once. See identity.py for whose messages they are, and inference_protocol.py for what they hold.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from uuid import UUID

from msgspec import Struct

from service.core.cooperative import run_cooperatively
from service.core.errors import BadRequest, FieldError, Refused, ServiceError, field_error
from service.documents.predictions.cloudevents.attributes import CloudEvent, invalid
from service.documents.predictions.cloudevents.identity import (
    MAX_NAME_CHARS,
    SIDES,
    Identity,
    Side,
    prediction_ids,
)
from service.documents.predictions.cloudevents.inference_protocol import (
    Message,
    combine,
    message_of,
    read_message,
)
from service.documents.predictions.cloudevents.json_data import canonical_json, read_json
from service.documents.predictions.cloudevents.tensors import NamedValues
from service.documents.predictions.ingest.describe import first_error
from service.documents.predictions.ingest.document import TooBig, to_document
from service.documents.predictions.ingest.event import Event, find_violation
from service.documents.predictions.ingest.read_event import Rejected, read_event, read_in_parts
from service.stores.mongo.client import Document, now

T = TypeVar("T")
UNVERSIONED = "unversioned"
LARGE_BYTES = 65_536
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")


class InferenceMessage(Struct):
    """A request or a response, by its ``side``; its pair stores ``document`` under that name.

    ``refusal`` is the error because of which it makes no event.
    """

    pair_id: UUID
    side: Side
    model: str
    event_id: str
    context: dict[str, str]
    document: Document
    refusal: ServiceError | None = None


# -- one message -----------------------------------------------------------------------------------


async def read_inference_message(
    event: CloudEvent, identity: Identity, max_event_bytes: int
) -> InferenceMessage:
    """Return the message that an event carries, refused if it makes no event.

    Args:
        event: of a type in ``SIDE_OF_TYPE``.
        identity: of this event.
        max_event_bytes: the largest event of the log, as JSON.
    """
    trace = _TRACEPARENT.fullmatch(event.extensions.get("traceparent", ""))
    document: Document = {
        "data": event.data,
        "time": event.time or now(),
        "trace_id": trace[1] if trace else None,
    }
    if identity.version:
        document["version"] = identity.version
    message = InferenceMessage(
        identity.pair_id, identity.side, identity.model, identity.event_id, identity.context,
        document,
    )  # fmt: skip
    try:
        if identity.violation is not None:
            raise identity.violation
        document["hash"], content = await run_apart(
            len(event.data), lambda: _read(event, message.side)
        )
        await run_cooperatively(_check_rows(message, content, max_event_bytes))
    except (Refused, BadRequest) as error:
        _refuse(message, event, error)
    return message


def _read(event: CloudEvent, side: Side) -> tuple[bytes, Message]:
    if event.extensions.get("datainblob", "").lower() == "true":
        detail = "Send the data itself: this is the address of a blob."
        raise invalid("/data", detail, "data_in_blob")
    data = read_json(event.data)
    content = message_of(data, is_response=side == "response")
    return _hash_of(canonical_json(data)), content


def _refuse(message: InferenceMessage, event: CloudEvent, error: ServiceError) -> None:
    """Mark a message as refused; its document gets what replay.py reads it by again."""
    reason = first_error(error)
    error.errors = error.errors or [
        field_error(reason["pointer"] or "/data", reason["code"], reason["detail"])
    ]
    message.refusal = error
    message.document |= {
        "hash": _hash_of(event.data),
        "refusal": dict(error.errors[0]),
        "event": {
            "source": event.source,
            "type": event.type,
            "id": event.id,
            "media_type": event.media_type,
            "extensions": event.extensions,
        },
    }


def _check_rows(
    message: InferenceMessage, content: Message, max_event_bytes: int
) -> Iterator[None]:
    """Raise now what :func:`pair_events` would find wrong when the partner is stored.

    Raises:
        Refused: the names, depth or size of a row break a rule of events.
    """
    nothing = Message(rows=[{}], values={})
    known = {"timestamp": message.document["time"], "model": message.model, "version": UNVERSIONED}
    for index, row in enumerate(content.rows or [content.values]):
        one = Message(rows=[row], values=row)
        pair = (one, nothing) if message.side == "request" else (nothing, one)
        ((features, output),) = combine(*pair)
        fields = _fields(known, message.pair_id, features, output)
        for event in read_in_parts(fields):  # None is a part of the work
            error = None if event is None else _violation(event, max_event_bytes)
            if error is not None:
                raise _invalid_row(message.side, index, error)
            yield


def _violation(event: Event | Rejected, max_event_bytes: int) -> FieldError | None:
    if isinstance(event, Rejected):
        return event.errors[0]
    error = find_violation(event, now())
    if error is None:
        try:
            to_document(event, now(), max_event_bytes)
        except TooBig as too_big:
            return too_big.errors[0]
    return error


def _invalid_row(side: Side, row: int, error: FieldError) -> Refused:
    detail = f"Row {row} makes no event: at {error['pointer'] or '/'}: {error['detail']}"
    in_data = field_error(pointer="/data", code=error["code"], detail=detail)
    return Refused(f"Correct the rows of this {side} that errors names.", errors=[in_data])


# -- the pair --------------------------------------------------------------------------------------


async def pair_events(pair: Document) -> list[Event | Rejected]:
    """Return the events of a stored pair that has both messages.

    Raises:
        ServiceError: a stored message can no longer be read.
    """
    size = sum(len(pair[side]["data"]) for side in SIDES)
    return await run_apart(size, lambda: _pair_events(pair))


def _pair_events(pair: Document) -> list[Event | Rejected]:
    request = read_message(pair["request"]["data"], is_response=False)
    response = read_message(pair["response"]["data"], is_response=True)
    known = _known_fields(pair, request, response)
    predictions = combine(request, response)
    ids = prediction_ids(pair["_id"], len(predictions))
    return [
        read_event(_fields(known, prediction_id, features, output))
        for prediction_id, (features, output) in zip(ids, predictions, strict=True)
    ]


def _known_fields(pair: Document, request: Message, response: Message) -> dict[str, Any]:
    """Return the fields that all events of a pair share."""
    context: dict[str, str] = pair["context"]
    tags = {name: value for name, value in context.items() if name != "inferenceservicename"}
    if response.model and response.model != pair["model"]:
        tags["model_name"] = response.model[:MAX_NAME_CHARS]
    halves = (pair["response"], pair["request"])
    versions = [response.version, request.version, *(half.get("version") for half in halves)]
    return {
        "timestamp": pair["request"]["time"],
        "model": pair["model"],
        "version": next(filter(None, versions), UNVERSIONED),
        "role": "canary" if context.get("endpoint") == "canary" else "primary",
        "tags": tags,
        "trace_id": pair["request"]["trace_id"] or pair["response"]["trace_id"],
        "request_id": None if pair["event_id"].startswith("$") else pair["event_id"],
    }


def _fields(
    known: dict[str, Any], prediction_id: UUID, features: NamedValues, output: NamedValues
) -> dict[str, Any]:
    """Return an event as a sender sends it, to be read by the same rules."""
    return {
        **known, "prediction_id": prediction_id, "features": features, "output": output or None,
    }  # fmt: skip


def _hash_of(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


async def run_apart(size: int, work: Callable[[], T]) -> T:
    """Run in a thread what is large, because 5 MiB of numbers take 250 ms to read (measured)."""
    return work() if size < LARGE_BYTES else await asyncio.to_thread(work)
