"""JSON as Python's ``json.dumps`` writes it: with bare NaN, Infinity and half surrogate pairs.

Clean JSON is read by msgspec, which refuses these three; only what it refuses is read again.
"""

import json
import re
from typing import Any, NamedTuple

import msgspec

from service.documents.predictions.ingest.decode import load
from service.web.bodies.strict_json import InvalidJson, InvalidUtf8, TooDeep
from service.web.schemas import MAX_ITEMS

_SPACE = b" \t\r\n"
# Each skips strings and lists without lists, then finds a bracket, a comma between items, or the
# quote of a string without end. The skipping is in one step, because a body may have millions.
_SKIPPED = rb'"(?:[^"\\]++|\\.)*+"|[\[{][^"\[\]{}]*+[\]}]'
_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|%s)*+(["\[\]{}])' % _SKIPPED, re.DOTALL)
_ITEM_END = re.compile(rb'(?:[^"\[\]{},]++|%s)*+(["\[\]{},])' % _SKIPPED, re.DOTALL)
_canonical = msgspec.json.Encoder(order="sorted")


class Json(NamedTuple):
    """A value; ``is_clean`` if it has no NaN, Infinity or -Infinity."""

    value: Any
    is_clean: bool


def read_json(data: bytes) -> Json:
    """Return the value of a JSON text.

    Raises:
        BadRequest: it is not JSON, although these three are taken.
    """
    try:
        return Json(msgspec.json.decode(data), is_clean=True)
    except RecursionError as error:
        raise TooDeep from error
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    except msgspec.ValidationError as error:  # a number beyond 64-bit floats: not Infinity
        raise InvalidJson(f"{error}.") from error
    except msgspec.DecodeError:
        return Json(load(data), is_clean=False)


def write_json(value: Any) -> bytes:
    """Return JSON that :func:`read_json` reads as the same value, as short as a sender's.

    Raises:
        TooDeep: it is nested without end.
    """
    try:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    except RecursionError as error:
        raise TooDeep from error
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return json.dumps(value, separators=(",", ":")).encode()


def canonical_json(data: Json) -> bytes:
    """Return the same bytes for each spelling of a value: keys sorted, no white space.

    Raises:
        TooDeep: it is nested without end.
    """
    if data.is_clean:
        return _canonical.encode(data.value)
    try:
        return json.dumps(data.value, sort_keys=True, separators=(",", ":")).encode()
    except RecursionError as error:
        raise TooDeep from error


def split_array(text: bytes) -> list[bytes] | None:
    """Return the items of a JSON array, verbatim, though some cannot be read.

    An item ends at a comma outside strings and brackets. It may hold a NaN, half a surrogate pair,
    bytes that are not UTF-8, or more levels than a reader takes. The result is None if there is no
    such array, because a bracket, a string or an item is missing. An array of too many items is
    not read to its end.
    """
    text = text.strip(_SPACE)
    if not text.startswith(b"["):
        return None
    items, depth, start, place = list[bytes](), 1, 1, 1
    while depth and len(items) <= MAX_ITEMS:
        found = (_ITEM_END if depth == 1 else _BRACKET).match(text, place)
        if found is None or found[1] == b'"':
            return None
        place = found.end()
        depth += (found[1] in b"[{") - (found[1] in b"]}")
        if depth == 0 or (found[1] == b"," and depth == 1):
            items.append(text[start : place - 1].strip(_SPACE))
            start = place
    if depth:
        return items
    is_whole = place == len(text) and text.endswith(b"]") and all(items)
    return items if is_whole else None
