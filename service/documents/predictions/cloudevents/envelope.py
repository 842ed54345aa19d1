"""CloudEvents 1.0 over HTTP, read strictly: binary, structured and batched content mode.

Sources: `HTTP Protocol Binding for CloudEvents` 1.0.2, 3.1 to 3.3 (modes, headers, their encoding),
`JSON Event Format` 1.0.2, 2.2, 3.1 and 4 (null attributes, data, batches).

The SDK (`cloudevents` 2.2) is not used, because it reads no batches, decodes JSON loosely, reports
no pointers, needs two more packages, and announces breaking changes with every update.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any, Literal
from urllib.parse import unquote

import msgspec
from msgspec import Raw
from starlette.datastructures import Headers

from service.core.errors import BadRequest, Refused, ServiceError, UnsupportedMedia
from service.core.media_types import parse_media_type
from service.documents.predictions.cloudevents.attributes import (
    ATTRIBUTE_NAME,
    CloudEvent,
    event_from,
    invalid,
)
from service.documents.predictions.cloudevents.json_data import read_json, split_array, write_json
from service.web.bodies.strict_json import InvalidJson, InvalidUtf8, TooDeep
from service.web.schemas import MAX_ITEMS

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
ContentMode = Literal["binary", "structured", "batch"]
_MODES: dict[str, ContentMode] = {STRUCTURED: "structured", BATCH: "batch"}
_PREFIX = "ce-"
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SCALAR = str | bool | int | None


class NotACloudEventBatch(Refused):
    code, title = "not_a_cloud_event_batch", "The body is not a batch of CloudEvents"
    detail = f"Send [event, …] with at most {MAX_ITEMS} events."


def read_cloud_events(
    headers: Headers, body: bytes
) -> CloudEvent | list[CloudEvent | ServiceError]:
    """Return the event of a request, or in batched mode a list like that of :func:`read_batch`.

    Raises:
        UnsupportedMedia: as :func:`content_mode`.
        BadRequest: the body is not JSON, in structured or batched mode.
        NotACloudEvent: the event is malformed.
        NotACloudEventBatch: the batch is no array, or too long.
    """
    mode = content_mode(headers)
    if mode == "batch":
        return read_batch(body)
    return read_structured(body) if mode == "structured" else read_binary(headers.items(), body)


def content_mode(headers: Headers) -> ContentMode:
    """Return the content mode that the headers declare.

    Raises:
        UnsupportedMedia: the format or charset is another, or nothing declares a CloudEvent.
    """
    media_type, _, parameters = headers.get("content-type", "").lower().partition(";")
    media_type = media_type.strip()
    mode = _MODES.get(media_type)
    if mode is not None:
        charset = parameters.partition("charset=")[2].partition(";")[0]
        if charset.strip(' "') not in ("", "utf-8"):
            raise UnsupportedMedia("Send CloudEvents as UTF-8.")
        return mode
    has_attributes = any(name.startswith(_PREFIX) for name in headers)
    if media_type.startswith("application/cloudevents") or not has_attributes:
        raise UnsupportedMedia(f"Send {STRUCTURED}, {BATCH}, or the attributes as ce- headers.")
    return "binary"


# -- the three modes -------------------------------------------------------------------------------


def read_binary(headers: Iterable[tuple[str, str]], body: bytes) -> CloudEvent:
    """Return the event whose attributes are headers and whose data is the body (binding 3.1).

    Names of headers are in lower case.
    """
    attributes: dict[str, str] = {}
    media_type = ""
    for header, value in headers:
        if header == "content-type":
            media_type = value
        if header.startswith(_PREFIX):
            name = header.removeprefix(_PREFIX)
            if name in ("datacontenttype", "data"):
                raise invalid(f"/{name}", "Remove this header: Content-Type and the body have it.")
            if name in attributes:
                raise invalid(f"/{name}", "Send this header once.")
            attributes[name] = _header_value(name, value)
    return event_from({**attributes, "datacontenttype": media_type}, body)


def read_structured(body: bytes) -> CloudEvent:
    """Return the event of a body in the JSON format."""
    members = _members(body)
    if members is None:
        raise invalid("", "Send a CloudEvent as a JSON object.")
    data, encoded = members.pop("data", None), members.pop("data_base64", None)
    attributes = {
        name: _as_text(value)
        for name, raw in members.items()
        if (value := _scalar(name, raw)) is not None
    }
    media_type = attributes.get("datacontenttype", "")
    if encoded is None:
        return event_from(attributes, b"" if data is None else _json_data(bytes(data), media_type))
    if data is not None:
        raise invalid("/data_base64", "Send data or data_base64, not both.")
    return event_from(attributes, _decode_base64(encoded))


def read_batch(body: bytes) -> list[CloudEvent | ServiceError]:
    """Return the events of a batch in order, each or the error that it causes.

    Raises:
        BadRequest: the body is not JSON.
        NotACloudEventBatch: the body is no array, or too long.
    """
    events: list[CloudEvent | ServiceError] = []
    for item in _items(body):
        try:
            events.append(read_structured(item))
        except ServiceError as error:
            events.append(error)
    return events


def _items(body: bytes) -> list[bytes]:
    """Return the JSON text of each event, though some cannot be read."""
    try:
        raw: list[Raw] | None = _decode(body, list[Raw])
        items = None if raw is None else list(map(bytes, raw))
    except BadRequest:
        items = split_array(body)
        if items is None:
            read_json(body)  # raises what is wrong, unless it is a value with a NaN
    if items is None or len(items) > MAX_ITEMS:
        raise NotACloudEventBatch
    return items


# -- values ----------------------------------------------------------------------------------------


def _header_value(name: str, value: str) -> str:
    """Remove the quotes, then percent-decode once (binding 3.1.3.2)."""
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise invalid(f"/{name}", "Percent-encode the value as UTF-8.") from error


def _scalar(name: str, raw: Raw) -> str | bool | int | None:
    try:
        value: str | bool | int | None = msgspec.json.decode(raw, type=_SCALAR)
    except _UNREADABLE as error:
        field = name if ATTRIBUTE_NAME.fullmatch(name) else ""
        raise invalid(f"/{field}", "Send text, an integer or a boolean.") from error
    return value


def _as_text(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_json(media_type: str) -> bool:
    """Return whether data of this type is JSON; an empty type is JSON (JSON format 3.1)."""
    media_type = parse_media_type(media_type)
    return not media_type or media_type.endswith(("/json", "+json"))


def _json_data(raw: bytes, media_type: str) -> bytes:
    """Return the JSON of the data, or the content of a string if the data is of another type."""
    if is_json(media_type) or not raw.startswith(b'"'):
        return raw
    return str(_scalar("data", Raw(raw))).encode()


def _decode_base64(raw: Raw) -> bytes:
    try:
        return base64.b64decode(str(_scalar("data_base64", raw)), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid("/data_base64", "Send base64 text.") from error


def _members(body: bytes) -> dict[str, Raw] | None:
    """Return the members of an object as JSON; of one with a NaN or half a pair, written anew."""
    try:
        members: dict[str, Raw] | None = _decode(body, dict[str, Raw])
    except InvalidJson:
        value = read_json(body).value
        if not isinstance(value, dict):
            return None
        return {name: Raw(write_json(member)) for name, member in value.items()}
    return members


def _decode(body: bytes, kind: Any) -> Any:
    """Return the decoded value, or None if it is JSON of another type."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        return None
    except RecursionError as error:
        raise TooDeep from error
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    except msgspec.DecodeError as error:
        raise InvalidJson(f"{error}.") from error
