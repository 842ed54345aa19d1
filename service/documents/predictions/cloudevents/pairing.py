"""Half a prediction, as a model server's logger sends it, and what two halves make together.

KServe's logger (kserve/kserve, pkg/logger/worker.go) sends a request and its response as two events
with one id, in binary mode; what they are about stands in ``inferenceservicename``, ``namespace``,
``component`` and ``endpoint``. Its source is the pod, which who asked does not know; so it plays no
part in the ids.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct

from service.core.cooperative import run_cooperatively
from service.core.errors import FieldError, Refused
from service.documents.predictions.cloudevents.envelope import CloudEvent, faulty
from service.documents.predictions.cloudevents.inference_protocol import Side, paired, read_side
from service.documents.predictions.cloudevents.tensors import Row
from service.documents.predictions.ingest.decode import Rejected, decode_event
from service.documents.predictions.ingest.event import Event, TooBig, find_violation, to_document
from service.stores.mongo.client import now
from service.web.strict_json import TooDeep

SIDES = {
    "org.kubeflow.serving.inference.request": "request",
    "org.kubeflow.serving.inference.response": "response",
}
# uuid5(NAMESPACE_URL, "https://polystore.dev/cloudevents")
NAMESPACE = UUID("c2efa09e-693a-5b4e-b23c-86e71a609d54")
UNVERSIONED = "unversioned"
LONGEST_NAME = 200
_NAMES = ("namespace", "inferenceservicename", "component", "endpoint")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
_canonical = msgspec.json.Encoder(order="sorted")


class Half(Struct):
    """A request or a response, as ``side`` says; ``kept`` is what its pair keeps of it."""

    pair_id: UUID
    side: str
    model: str
    event_id: str
    context: dict[str, str]
    kept: dict[str, Any]


def half_of(event: CloudEvent, received_at: datetime) -> tuple[Half, Side]:
    """The half that an event is, and what it says.

    Raises:
        NotACloudEvent: a name is missing or odd, or the data is no inference data.
        BadRequest: the data is not JSON.
    """
    said = event.extensions
    for name in _NAMES:
        if len(said.get(name, "")) > LONGEST_NAME or "/" in said.get(name, ""):
            raise faulty(f"/{name}", f"At most {LONGEST_NAME} characters, no slash.")
    model = said.get("inferenceservicename", "")
    if not model or model.startswith("$"):
        detail = "It names the model, and does not begin with $."
        raise faulty("/inferenceservicename", detail, "missing" if not model else "invalid")
    side = SIDES[event.type]
    read = read_side(event.data, answer=side == "response")
    traced = _TRACEPARENT.fullmatch(said.get("traceparent", ""))
    return (
        Half(
            pair_id=pair_id_of(
                said.get("namespace", ""), model, said.get("component", ""), event.id
            ),
            side=side,
            model=model,
            event_id=event.id,
            context={
                name: said[name] for name in ("namespace", "component", "endpoint") if name in said
            },
            kept={
                "data": event.data,
                "hash": _hash_of(event.data),
                "time": event.time or received_at,
                "trace_id": traced[1] if traced else None,
            },
        ),
        read,
    )


def pair_id_of(namespace: str, service: str, component: str, event_id: str) -> UUID:
    """The id of a pair: UUIDv5 of ``namespace/service/component/id``; its sender can make it too.

    It is the prediction_id as well, if the pair is one prediction; else see :func:`ids_of`.
    """
    return uuid5(NAMESPACE, f"{namespace}/{service}/{component}/{event_id}")


def ids_of(pair_id: UUID, rows: int) -> list[UUID]:
    """The ids of its predictions: of several, UUIDv5 of the row's number in the pair's."""
    return [pair_id] if rows == 1 else [uuid5(pair_id, str(row)) for row in range(rows)]


async def check_half(half: Half, read: Side) -> None:
    """Refuses at once what would be refused when its partner is there: names, depth, size.

    Raises:
        Refused: with a pointer into the data; the detail names the place in the event.
    """
    await run_cooperatively(_checked(half, read.rows or [read.whole]))


def _checked(half: Half, rows: Sequence[Row]) -> Iterator[None]:
    nothing = Side(rows=[{}], whole={})
    for place, row in enumerate(rows):
        one = Side(rows=[row], whole=row)
        ((features, output),) = (
            paired(one, nothing) if half.side == "request" else paired(nothing, one)
        )
        said = {"timestamp": half.kept["time"], "model": half.model, "version": UNVERSIONED}
        event = _as_event(said, half.pair_id, features, output)
        fault = event.error if isinstance(event, Rejected) else _fault_in(event)
        if fault is not None:
            raise _refused(half.side, place, fault)
        yield


def _fault_in(event: Event) -> FieldError | None:
    fault = find_violation(event, now(), suspicious=True)
    if fault is None:
        try:
            to_document(event, now())
        except TooBig as refusal:
            return refusal.errors[0]
    return fault


def _refused(side: str, row: int, fault: FieldError) -> Refused:
    detail = f"Row {row} makes no event: at {fault['pointer'] or '/'}: {fault['detail']}"
    error = FieldError(pointer="/data", code=fault["code"], detail=detail)
    return Refused(f"This {side} makes no event.", errors=[error])


def events_of(pair: dict[str, Any]) -> list[Event | Rejected]:
    """The events of a pair whose halves are both there, as its document keeps them.

    Raises:
        ServiceError: a half cannot be read, though it could when it came.
    """
    request, response, context = pair["request"], pair["response"], pair["context"]
    asked = read_side(request["data"], answer=False)
    answered = read_side(response["data"], answer=True)
    tags = {name: value for name, value in context.items() if name != "inferenceservicename"}
    if answered.model and answered.model != pair["model"]:
        tags["model_name"] = answered.model[:LONGEST_NAME]
    said: dict[str, Any] = {
        "timestamp": request["time"],
        "model": pair["model"],
        "version": answered.version or asked.version or UNVERSIONED,
        "role": "canary" if context.get("endpoint") == "canary" else "primary",
        "tags": tags,
        "trace_id": request["trace_id"] or response["trace_id"],
        "request_id": None if pair["event_id"].startswith("$") else pair["event_id"],
    }
    predictions = paired(asked, answered)
    ids: Sequence[UUID] = ids_of(pair["_id"], len(predictions))
    return [
        _as_event(said, prediction_id, *prediction)
        for prediction_id, prediction in zip(ids, predictions, strict=True)
    ]


def _as_event(
    said: dict[str, Any], prediction_id: UUID, features: dict[str, Any], output: dict[str, Any]
) -> Event | Rejected:
    """By way of JSON, so that the rules are those of every other event."""
    plain = {**said, "prediction_id": prediction_id, "features": features, "output": output or None}
    try:
        return decode_event(msgspec.json.encode(plain))
    except RecursionError as error:
        raise TooDeep from error


def _hash_of(data: bytes) -> bytes:
    """16 bytes over the canonical JSON: the same data is the same half however it was written."""
    return hashlib.blake2b(_canonical.encode(msgspec.json.decode(data)), digest_size=16).digest()
