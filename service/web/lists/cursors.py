"""Cursors: the sort values and the id of the last item of a page, as bytes of bounded length."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from service.core.errors import BadRequest
from service.core.signing import SIGNATURE_BYTES, Signer
from service.web.lists.sorting import MOST_FIELDS

# A sort value is at most an email: 254 characters of up to 4 bytes, with its kind and lengths.
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
    if not signer.verify(signature, _message(made_for, packed)):
        raise BadCursor
    key, *parts = msgspec.msgpack.decode(packed)
    values = zip(parts[::2], parts[1::2], strict=True)
    return Cursor(tuple(_KINDS[kind](value) for kind, value in values), UUID(bytes=key))


def _message(made_for: bytes, packed: bytes) -> bytes:
    # The format is signed, so that cursors of an earlier one are refused; JSON has no zero byte.
    return b"2%b\0%b" % (made_for, packed)


_AS_THEY_ARE = {"int", "str", "float"}
_KINDS: dict[str, Callable[[Any], Any]] = {
    "int": int, "str": str, "float": float, "Decimal": Decimal, "datetime": datetime.fromisoformat,
}  # fmt: skip
