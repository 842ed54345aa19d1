"""Attributes of CloudEvents 1.0, checked alike in every content mode.

Source: `CloudEvents` 1.0.2, 3 (attributes).
"""

import re
from datetime import datetime

import msgspec
from msgspec import Struct

from service.core.errors import Refused, field_error
from service.core.media_types import parse_media_type
from service.web.schemas import EARLIEST, LATEST, TIME_DETAIL

# KServe's logger puts the headers of the request into one attribute: as long as a head may be.
MAX_VALUE_CHARS = 16_384
_MAX_CHARS = {"id": 200, "type": 200}
_REQUIRED = ("id", "source", "type")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
ATTRIBUTE_NAME = re.compile(r"[a-z0-9]{1,40}")


class NotACloudEvent(Refused):
    code, title = "not_a_cloud_event", "The event is not a valid CloudEvent 1.0"


class CloudEvent(Struct, frozen=True):
    """One event: its attributes, and its data as the bytes that a JSON reader takes."""

    id: str
    source: str
    type: str
    time: datetime | None
    media_type: str
    extensions: dict[str, str]
    data: bytes


def invalid(pointer: str, detail: str, code: str = "invalid") -> NotACloudEvent:
    """Return the error for one place of the event, named as in structured mode."""
    error = field_error(pointer=pointer, code=code, detail=detail)
    return NotACloudEvent("Correct the event at the places that `errors` names.", errors=[error])


def event_from(attributes: dict[str, str], data: bytes) -> CloudEvent:
    """Return the event of these attributes; an empty extension counts as absent.

    Raises:
        NotACloudEvent: an attribute is missing, misnamed, too long or malformed.
    """
    for name, value in attributes.items():
        _check_attribute(name, value)
    if attributes.pop("specversion", "") != "1.0":
        raise invalid("/specversion", "Set it to 1.0.")
    for name in _REQUIRED:
        if not attributes.get(name):
            raise invalid(f"/{name}", "Send this attribute with a value.", "missing")
    return CloudEvent(
        id=attributes.pop("id"),
        source=attributes.pop("source"),
        type=attributes.pop("type"),
        time=_time(attributes.pop("time", "")),
        media_type=parse_media_type(attributes.pop("datacontenttype", "")),
        extensions={name: value for name, value in attributes.items() if value},
        data=data,
    )


def _check_attribute(name: str, value: str) -> None:
    if not ATTRIBUTE_NAME.fullmatch(name):
        raise invalid("", "Name attributes with 1 to 40 lower-case letters and digits.")
    max_chars = _MAX_CHARS.get(name, MAX_VALUE_CHARS)
    if len(value) > max_chars or _CONTROL.search(value):
        raise invalid(f"/{name}", f"Use at most {max_chars} characters, no control characters.")


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        moment = EARLIEST.replace(tzinfo=None)
    if moment.tzinfo is None or not EARLIEST <= moment < LATEST:
        raise invalid("/time", f"{TIME_DETAIL}, between the years 1900 and 2200.")
    return moment
