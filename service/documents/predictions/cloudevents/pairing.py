"""Inference messages as a model server's logger sends them, and the events that two of them make.

KServe's logger (kserve/kserve, pkg/logger/worker.go) sends a request and its response as two events
with one id, in binary mode. Their extensions ``inferenceservicename``, ``namespace``, ``component``
and ``endpoint`` name the model. Their source is the pod, which the sender of the request does not
know; so it plays no part in the ids.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeVar
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from service.core.cooperative import run_cooperatively
from service.core.errors import FieldError, Refused, field_error
from service.documents.predictions.cloudevents.attributes import CloudEvent, invalid
from service.documents.predictions.cloudevents.inference_protocol import (
    Message,
    combine,
    read_message,
)
from service.documents.predictions.cloudevents.tensors import NamedValues
from service.documents.predictions.ingest.document import TooBig, to_document
from service.documents.predictions.ingest.event import Event, find_violation
from service.documents.predictions.ingest.read_event import Rejected, read_event
from service.stores.mongo.client import Document, now

T = TypeVar("T")
Side = Literal["request", "response"]
SIDES: tuple[Side, Side] = ("request", "response")
SIDE_OF_TYPE: dict[str, Side] = {f"org.kubeflow.serving.inference.{side}": side for side in SIDES}
# uuid5(NAMESPACE_URL, "https://polystore.dev/cloudevents")
NAMESPACE = UUID("c2efa09e-693a-5b4e-b23c-86e71a609d54")
UNVERSIONED = "unversioned"
MAX_NAME_CHARS = 200
LARGE_BYTES = 65_536
_NAMES = ("namespace", "inferenceservicename", "component", "endpoint")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
_canonical = msgspec.json.Encoder(order="sorted")


class InferenceMessage(Struct):
    """A request or a response, by its ``side``; its pair stores ``document`` under that name."""

    pair_id: UUID
    side: Side
    model: str
    event_id: str
    context: dict[str, str]
    document: Document


# -- one message -----------------------------------------------------------------------------------


async def read_inference_message(event: CloudEvent) -> tuple[InferenceMessage, Message]:
    """Return the message that an event carries, and its content.

    Raises:
        NotACloudEvent: a name is missing or malformed, or the data is no inference data.
        BadRequest: the data is not JSON.
    """
    return await _run(len(event.data), lambda: _read(event))


def _read(event: CloudEvent) -> tuple[InferenceMessage, Message]:
    extensions = event.extensions
    _check_names(extensions)
    model, side = extensions["inferenceservicename"], SIDE_OF_TYPE[event.type]
    content = read_message(event.data, is_response=side == "response")
    trace = _TRACEPARENT.fullmatch(extensions.get("traceparent", ""))
    namespace, component = extensions.get("namespace", ""), extensions.get("component", "")
    message = InferenceMessage(
        pair_id=pair_id_of(namespace, model, component, event.id),
        side=side,
        model=model,
        event_id=event.id,
        context={
            name: extensions[name]
            for name in ("namespace", "component", "endpoint")
            if name in extensions
        },
        document={
            "data": event.data,
            "hash": _hash_of(event.data),
            "time": event.time or now(),
            "trace_id": trace[1] if trace else None,
        },
    )
    return message, content


def _check_names(extensions: dict[str, str]) -> None:
    for name in _NAMES:
        value = extensions.get(name, "")
        if len(value) > MAX_NAME_CHARS or "/" in value:
            raise invalid(f"/{name}", f"Use at most {MAX_NAME_CHARS} characters and no slash.")
    model = extensions.get("inferenceservicename", "")
    if not model or model.startswith("$"):
        detail = "Name the model, without $ at the beginning."
        raise invalid("/inferenceservicename", detail, "invalid" if model else "missing")


async def check_rows(message: InferenceMessage, content: Message) -> None:
    """Raise now what :func:`pair_events` would find wrong when the partner is stored.

    Raises:
        Refused: the names, depth or size of a row break a rule of events.
    """
    await run_cooperatively(_check_rows(message, content.rows or [content.values]))


def _check_rows(message: InferenceMessage, rows: Sequence[NamedValues]) -> Iterator[None]:
    nothing = Message(rows=[{}], values={})
    known = {"timestamp": message.document["time"], "model": message.model, "version": UNVERSIONED}
    for index, row in enumerate(rows):
        one = Message(rows=[row], values=row)
        pair = (one, nothing) if message.side == "request" else (nothing, one)
        ((features, output),) = combine(*pair)
        event = _event(known, message.pair_id, features, output)
        error = event.errors[0] if isinstance(event, Rejected) else _violation(event)
        if error is not None:
            raise _invalid_row(message.side, index, error)
        yield


def _violation(event: Event) -> FieldError | None:
    error = find_violation(event, now())
    if error is None:
        try:
            to_document(event, now())
        except TooBig as too_big:
            return too_big.errors[0]
    return error


def _invalid_row(side: Side, row: int, error: FieldError) -> Refused:
    detail = f"Row {row} makes no event: at {error['pointer'] or '/'}: {error['detail']}"
    in_data = field_error(pointer="/data", code=error["code"], detail=detail)
    return Refused(f"Correct the rows of this {side} that errors names.", errors=[in_data])


# -- the pair --------------------------------------------------------------------------------------


def pair_id_of(namespace: str, service: str, component: str, event_id: str) -> UUID:
    """Return UUIDv5 of ``namespace/service/component/id``, which a sender can compute too.

    It is also the prediction_id of a pair with one row; see :func:`prediction_ids`.
    """
    return uuid5(NAMESPACE, f"{namespace}/{service}/{component}/{event_id}")


def prediction_ids(pair_id: UUID, rows: int) -> list[UUID]:
    """Return the ids of a pair's predictions; of several rows, UUIDv5 of row number in pair id."""
    return [pair_id] if rows == 1 else [uuid5(pair_id, str(row)) for row in range(rows)]


async def pair_events(pair: Document) -> list[Event | Rejected]:
    """Return the events of a stored pair that has both messages.

    Raises:
        ServiceError: a stored message can no longer be read.
    """
    size = sum(len(pair[side]["data"]) for side in SIDES)
    return await _run(size, lambda: _pair_events(pair))


def _pair_events(pair: Document) -> list[Event | Rejected]:
    request = read_message(pair["request"]["data"], is_response=False)
    response = read_message(pair["response"]["data"], is_response=True)
    known = _known_fields(pair, request, response)
    predictions = combine(request, response)
    ids = prediction_ids(pair["_id"], len(predictions))
    return [
        _event(known, prediction_id, features, output)
        for prediction_id, (features, output) in zip(ids, predictions, strict=True)
    ]


def _known_fields(pair: Document, request: Message, response: Message) -> dict[str, Any]:
    """Return the fields that all events of a pair share."""
    context: dict[str, str] = pair["context"]
    tags = {name: value for name, value in context.items() if name != "inferenceservicename"}
    if response.model and response.model != pair["model"]:
        tags["model_name"] = response.model[:MAX_NAME_CHARS]
    return {
        "timestamp": pair["request"]["time"],
        "model": pair["model"],
        "version": response.version or request.version or UNVERSIONED,
        "role": "canary" if context.get("endpoint") == "canary" else "primary",
        "tags": tags,
        "trace_id": pair["request"]["trace_id"] or pair["response"]["trace_id"],
        "request_id": None if pair["event_id"].startswith("$") else pair["event_id"],
    }


def _event(
    known: dict[str, Any], prediction_id: UUID, features: NamedValues, output: NamedValues
) -> Event | Rejected:
    """Read the event by the rules of every other event."""
    fields = {
        **known, "prediction_id": prediction_id, "features": features, "output": output or None,
    }  # fmt: skip
    return read_event(fields)


def _hash_of(data: bytes) -> bytes:
    """Return 16 bytes of BLAKE2b over the canonical JSON, so that white space does not matter."""
    return hashlib.blake2b(_canonical.encode(msgspec.json.decode(data)), digest_size=16).digest()


async def _run(size: int, work: Callable[[], T]) -> T:
    """Run in a thread what is large, because 5 MiB of numbers take 250 ms to read (measured)."""
    return work() if size < LARGE_BYTES else await asyncio.to_thread(work)
