"""Cursors: the sort values and the id of the last item of a page, as bytes of bounded length."""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from service.core.errors import BadRequest
from service.core.signing import SIGNATURE_BYTES, Signer
from service.web.lists.sorting import MOST_FIELDS

# A sort value has 254 characters of up to 4 bytes, with its kind and lengths. The key of an email
# may have 320; the name and the city that users are also sorted by have 200.
_VALUE_BYTES = 4 * 254 + 16
# … with signature and id, in base64.
MAX_CURSOR = (SIGNATURE_BYTES + 20 + MOST_FIELDS * _VALUE_BYTES) // 3 * 4 + 4


class BadCursor(BadRequest):
    code, title = "bad_cursor", "Cursor is not valid for this list"
    detail = "Send next_cursor unchanged, with the same filters and sort, or start without one."


class Cursor(NamedTuple):
    """The last item of a page: its sort values and its id, and whether items follow it by now."""

    values: tuple[Any, ...]
    key: UUID
    has_more: bool = True


def write_cursor(end: Cursor, made_for: bytes, signer: Signer) -> str:
    """Return the text of a cursor, at most MAX_CURSOR characters.

    ``made_for`` is what it shall be valid for, as JSON: the list, its sort and its filters.
    """
    parts: list[Any] = [end.key.bytes]
    for value in end.values:
        kind = type(value).__name__
        parts += [kind, value if kind in _AS_THEY_ARE else str(value)]
    packed = msgspec.msgpack.encode(parts)  # has no escapes: text is as long as in UTF-8
    return base64.urlsafe_b64encode(signer.sign(_message(made_for, packed)) + packed).decode()


def read_cursor(text: str, made_for: bytes, signer: Signer) -> Cursor:
    """Return the place that a cursor holds.

    Raises:
        BadCursor: it was altered, or was written for something else.
    """
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
    except (binascii.Error, UnicodeError) as error:
        raise BadCursor from error
    signature, packed = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    # The format of earlier releases, because who follows a list keeps its cursor for good.
    is_json = packed.startswith(b"[")
    message = b"%b\0%b" % (packed, made_for) if is_json else _message(made_for, packed)
    if not signer.verify(signature, message):
        raise BadCursor
    if is_json:
        kind, value, key = json.loads(packed)
        return Cursor((_KINDS[kind](value),), UUID(key))
    key, *parts = msgspec.msgpack.decode(packed)
    values = zip(parts[::2], parts[1::2], strict=True)
    return Cursor(tuple(_KINDS[kind](value) for kind, value in values), UUID(bytes=key))


def _message(made_for: bytes, packed: bytes) -> bytes:
    # The format is signed, so that none is taken for another; JSON has no zero byte.
    return b"2%b\0%b" % (made_for, packed)


_AS_THEY_ARE = {"int", "str", "float", "NoneType"}
_KINDS: dict[str, Callable[[Any], Any]] = {
    "int": int, "str": str, "float": float, "Decimal": Decimal, "datetime": datetime.fromisoformat,
    "UUID": UUID, "NoneType": lambda _: None,
}  # fmt: skip
