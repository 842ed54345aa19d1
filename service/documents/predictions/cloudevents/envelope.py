"""CloudEvents 1.0 over HTTP, read strictly: structured, batched and binary mode.

Sources: `HTTP Protocol Binding for CloudEvents` 1.0.2, 3.1 to 3.3 (modes, headers, their encoding),
`JSON Event Format` 1.0.2, 2.2, 3.1 and 4 (null attributes, data, batches), and `CloudEvents` 1.0.2,
3 (attributes). Ours, for the SDK (`cloudevents` 2.2) takes no batches, reads JSON loosely, names
no places, brings two more packages, and says of itself that it will break with every update.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import unquote

import msgspec
from fastapi import Request
from msgspec import Raw, Struct

from service.core.errors import FieldError, Refused, ServiceError, UnsupportedMedia
from service.web.schemas import EARLIEST, LATEST, MAX_ITEMS
from service.web.strict_json import InvalidJson, InvalidUtf8, TooDeep, raw_items

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
_PREFIX = "ce-"
_NAME = re.compile(r"[a-z0-9]{1,40}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_QUOTED = re.compile(r'"(.*)"', re.DOTALL)
_LONGEST = {"id": 200, "type": 200}
LONGEST_VALUE = 8_192
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_SCALAR = str | bool | int | None


class NotACloudEvent(Refused):
    code, title = "not_a_cloud_event", "This is not a CloudEvent 1.0"


class NotACloudEventBatch(Refused):
    code, title = "not_a_cloud_event_batch", "This is not a batch of CloudEvents"
    detail = f"Send [event, …] with at most {MAX_ITEMS} events."


class CloudEvent(Struct, frozen=True):
    """One event: its attributes, and its data as the bytes that a JSON reader takes."""

    id: str
    source: str
    type: str
    time: datetime | None
    media_type: str
    extensions: dict[str, str]
    data: bytes


def faulty(pointer: str, detail: str, code: str = "invalid") -> NotACloudEvent:
    """A refusal that names one place of the event, as structured mode would have it."""
    error = FieldError(pointer=pointer, code=code, detail=detail)
    return NotACloudEvent("See errors: each names its place in the event.", errors=[error])


def kind_of(request: Request) -> str:
    """``STRUCTURED`` or ``BATCH``; anything else is binary mode: an empty text.

    Raises:
        UnsupportedMedia: another format or charset, or a body that is no CloudEvent at all.
    """
    kind, _, rest = request.headers.get("content-type", "").lower().partition(";")
    kind, charset = kind.strip(), rest.partition("charset=")[2].partition(";")[0]
    if kind in (STRUCTURED, BATCH):
        if charset.strip(' "') not in ("", "utf-8"):
            raise UnsupportedMedia("CloudEvents are taken as UTF-8.")
        return kind
    named = any(name.startswith(_PREFIX) for name in request.headers)
    if kind.startswith("application/cloudevents") or not named:
        raise UnsupportedMedia(f"Send {STRUCTURED}, {BATCH}, or the attributes as ce- headers.")
    return ""


# -- the three modes -------------------------------------------------------------------------------


def read_binary(headers: Iterable[tuple[str, str]], body: bytes) -> CloudEvent:
    """Attributes from headers, whose names are in small letters; the body as data (binding 3.1)."""
    attributes: dict[str, str] = {}
    media_type = ""
    for header, value in headers:
        if header == "content-type":
            media_type = value
        if header.startswith(_PREFIX):
            name = header.removeprefix(_PREFIX)
            if name in attributes or name in ("datacontenttype", "data"):
                raise faulty(f"/{name}", "This header may not be there, or not twice.")
            attributes[name] = _header_value(name, value)
    return _event({**attributes, "datacontenttype": media_type}, body)


def read_structured(body: bytes) -> CloudEvent:
    """One event in the JSON format."""
    found = _decoded(body, dict[str, Raw])
    if found is None:
        raise faulty("", "A CloudEvent is a JSON object.")
    data, packed = found.pop("data", None), found.pop("data_base64", None)
    attributes = {
        name: _as_text(value)
        for name, raw in found.items()
        if (value := _scalar(name, raw)) is not None
    }
    media_type = attributes.get("datacontenttype", "")
    if packed is None:
        return _event(attributes, b"" if data is None else _json_data(bytes(data), media_type))
    if data is not None:
        raise faulty("/data_base64", "There is data or data_base64, not both.")
    return _event(attributes, _unpacked(packed))


def read_batch(body: bytes) -> list[CloudEvent | ServiceError]:
    """The events of a batch, or why one is none, in their order.

    Raises:
        BadRequest: it is not JSON.
        NotACloudEventBatch: it is no array, or too long.
    """
    found: list[CloudEvent | ServiceError] = []
    for item in raw_items(body, _raw_events):
        try:
            found.append(read_structured(item))
        except ServiceError as refusal:
            found.append(refusal)
    return found


def _raw_events(body: bytes) -> list[Raw]:
    items: list[Raw] | None = _decoded(body, list[Raw])
    if items is None or len(items) > MAX_ITEMS:
        raise NotACloudEventBatch
    return items


# -- their parts -----------------------------------------------------------------------------------


def _event(attributes: dict[str, str], data: bytes) -> CloudEvent:
    """Checks what every event has; an extension that is empty is taken as not there."""
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise faulty("", "Names of attributes are lower-case letters and digits.")
        most = _LONGEST.get(name, LONGEST_VALUE)
        if len(value) > most or _CONTROL.search(value):
            raise faulty(f"/{name}", f"At most {most} characters, none of them a control one.")
    if attributes.pop("specversion", "") != "1.0":
        raise faulty("/specversion", "It is 1.0.")
    for name in ("id", "source", "type"):
        if not attributes.get(name):
            raise faulty(f"/{name}", "Each CloudEvent has it, and it is not empty.", "missing")
    return CloudEvent(
        id=attributes.pop("id"),
        source=attributes.pop("source"),
        type=attributes.pop("type"),
        time=_time(attributes.pop("time", "")),
        media_type=attributes.pop("datacontenttype", "").partition(";")[0].strip().lower(),
        extensions={name: value for name, value in attributes.items() if value},
        data=data,
    )


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = EARLIEST.replace(tzinfo=None)
    if moment.tzinfo is None or not EARLIEST <= moment < LATEST:
        raise faulty("/time", "RFC 3339 with offset, between the years 1900 and 2200.")
    return moment


def _header_value(name: str, value: str) -> str:
    """Unquoted, then percent-decoded once (binding 3.1.3.2)."""
    quoted = _QUOTED.fullmatch(value)
    if quoted:
        value = re.sub(r"\\(.)", r"\1", quoted[1])
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError as error:
        raise faulty(f"/{name}", "What is percent-encoded is UTF-8.") from error


def _scalar(name: str, raw: Raw) -> str | bool | int | None:
    try:
        value: str | bool | int | None = msgspec.json.decode(raw, type=_SCALAR)
    except (*_UNREADABLE, RecursionError) as error:
        shown = name if _NAME.fullmatch(name) else ""
        raise faulty(f"/{shown}", "An attribute is text, a whole number or a boolean.") from error
    return value


def _as_text(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_json(media_type: str) -> bool:
    """Whether data of this type is JSON; without one it is (JSON format 3.1)."""
    kind = media_type.partition(";")[0].strip().lower()
    return not kind or kind.endswith(("/json", "+json"))


def _json_data(raw: bytes, media_type: str) -> bytes:
    """The data: a JSON value, or what stands in a text where the data is of another type."""
    if is_json(media_type) or not raw.startswith(b'"'):
        return raw
    return str(_scalar("data", Raw(raw))).encode()


def _unpacked(raw: Raw) -> bytes:
    try:
        return base64.b64decode(str(_scalar("data_base64", raw)), validate=True)
    except (binascii.Error, ValueError) as error:
        raise faulty("/data_base64", "It is text in base64.") from error


def _decoded(body: bytes, kind: Any) -> Any:
    """The value; None if it is JSON of another kind."""
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
