"""CloudEvents whose data is an event of the prediction log: how they are read and answered."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

import msgspec
from msgspec import Raw

from service.auth.caller import ModelForbidden
from service.core.cooperative import run_cooperatively
from service.core.errors import Refused, ServiceError, UnsupportedMedia, field_error
from service.documents.predictions.cloudevents.attributes import CloudEvent, invalid
from service.documents.predictions.cloudevents.envelope import is_json
from service.documents.predictions.cloudevents.identity import NAMESPACE, SIDE_OF_TYPE
from service.documents.predictions.cloudevents.schemas import CloudEventRead
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.decode import (
    DECODE_ERRORS,
    decode_in_parts,
    load,
)
from service.documents.predictions.ingest.document import TooBig
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import BAD_REQUESTS
from service.documents.predictions.ingest.read_event import Rejected, read_in_parts
from service.documents.predictions.ingest.schemas import IntakeResult

PREDICTION_TYPE = "org.polystore.prediction"


async def decode_prediction(event: CloudEvent, max_event_bytes: int) -> Event | Rejected:
    """Return the event in the data; without a prediction_id it gets one from the CloudEvent.

    Raises:
        NotACloudEvent: the type is unknown.
        UnsupportedMedia: the data is not JSON by its type.
        TooBig: the data is longer than ``max_event_bytes``; it is not read.
    """
    if event.type != PREDICTION_TYPE:
        types = ", ".join((PREDICTION_TYPE, *SIDE_OF_TYPE))
        raise invalid("/type", f"Use one of {types}.", "unknown_type")
    if not is_json(event.media_type):
        raise UnsupportedMedia("Send the data of this type as JSON.")
    if len(event.data) > max_event_bytes:
        detail = f"Send data of at most {max_event_bytes} bytes; this has {len(event.data)}."
        raise TooBig(field_error("/data", TooBig.code, detail))
    *_, decoded = await run_cooperatively(_decode_in_parts(event))
    assert decoded is not None  # noqa: S101 - the last one is the result
    return decoded


def _decode_in_parts(event: CloudEvent) -> Iterator[Event | Rejected | None]:
    try:
        fields: dict[str, Any] = msgspec.json.decode(event.data, type=dict[str, Raw])
    except DECODE_ERRORS:
        return _read_in_parts(event)
    if "prediction_id" in fields:
        return decode_in_parts(event.data)
    return decode_in_parts(msgspec.json.encode({"prediction_id": _derived_id(event), **fields}))


def _read_in_parts(event: CloudEvent) -> Iterator[Event | Rejected | None]:
    """Read data with a NaN or half a surrogate pair, and other data for its error."""
    try:
        fields = load(event.data)
    except ServiceError:
        return decode_in_parts(event.data)
    if isinstance(fields, dict):
        fields.setdefault("prediction_id", _derived_id(event))
    return read_in_parts(fields)


def _derived_id(event: CloudEvent) -> UUID:
    """Return the id of the CloudEvent, or a UUIDv5 of source and id, so that a retry has it too."""
    try:
        return UUID(event.id)
    except ValueError:
        return uuid5(NAMESPACE, f"{event.source}\n{event.id}")


def prediction_outcome(event_id: str, result: IntakeResult) -> CloudEventRead | ServiceError:
    """Return the result of a logged event as that of its CloudEvent, or the error it causes."""
    if result.code == "conflict":
        return PredictionConflict()
    if result.code != "rejected":
        ids = [] if result.prediction_id is None else [result.prediction_id]
        return CloudEventRead(event_id, result.status, result.code, ids)
    in_data = [
        field_error(pointer=f"/data{error['pointer']}", code=error["code"], detail=error["detail"])
        for error in result.errors
    ]
    if result.status == ModelForbidden.status:
        return ModelForbidden(errors=in_data)
    kind = BAD_REQUESTS.get(in_data[0]["code"], Refused)
    return kind("Correct the event at the places that `errors` names.", errors=in_data)
