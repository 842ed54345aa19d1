"""CloudEvents whose data is an event of the prediction log: how they are read and answered."""

from uuid import UUID, uuid5

import msgspec
from msgspec import Raw

from service.auth.caller import ModelForbidden
from service.core.errors import Refused, ServiceError, UnsupportedMedia, field_error
from service.documents.predictions.cloudevents.attributes import CloudEvent, invalid
from service.documents.predictions.cloudevents.envelope import is_json
from service.documents.predictions.cloudevents.identity import NAMESPACE, SIDE_OF_TYPE
from service.documents.predictions.cloudevents.json_data import read_json, write_json
from service.documents.predictions.cloudevents.schemas import CloudEventRead
from service.documents.predictions.errors import PredictionConflict
from service.documents.predictions.ingest.decode import decode_event
from service.documents.predictions.ingest.event import Event
from service.documents.predictions.ingest.ingest_events import BAD_REQUESTS
from service.documents.predictions.ingest.read_event import Rejected
from service.documents.predictions.ingest.schemas import IntakeResult

PREDICTION_TYPE = "org.polystore.prediction"


def decode_prediction(event: CloudEvent) -> Event | Rejected:
    """Return the event in the data; without a prediction_id it gets one from the CloudEvent.

    Raises:
        NotACloudEvent: the type is unknown.
        UnsupportedMedia: the data is not JSON by its type.
    """
    if event.type != PREDICTION_TYPE:
        types = ", ".join((PREDICTION_TYPE, *SIDE_OF_TYPE))
        raise invalid("/type", f"Use one of {types}.", "unknown_type")
    if not is_json(event.media_type):
        raise UnsupportedMedia("Send the data of this type as JSON.")
    try:
        fields = msgspec.json.decode(event.data, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return decode_event(_with_id(event))
    if "prediction_id" in fields:
        return decode_event(event.data)
    return decode_event(msgspec.json.encode({"prediction_id": _derived_id(event), **fields}))


def _with_id(event: CloudEvent) -> bytes:
    """Return data with a NaN and a prediction_id; other data as it is, for its error."""
    try:
        fields = read_json(event.data).value
    except ServiceError:
        return event.data
    if not isinstance(fields, dict) or "prediction_id" in fields:
        return event.data
    return write_json({"prediction_id": str(_derived_id(event)), **fields})


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
