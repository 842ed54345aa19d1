"""JSON as Python's ``json.dumps`` writes it: with bare NaN, Infinity and half surrogate pairs.

Clean JSON is read by msgspec, which refuses these three; only what it refuses is read again.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw
from pydantic_core import from_json

from service.web.strict_json import InvalidJson, InvalidUtf8, TooDeep

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_canonical = msgspec.json.Encoder(order="sorted")


class Json(NamedTuple):
    """A value; ``is_clean`` if it has no NaN, Infinity or -Infinity."""

    value: Any
    is_clean: bool


def read_json(data: bytes) -> Json:
    """Return the value of a JSON text.

    Raises:
        BadRequest: it is not JSON, although these three numbers are taken.
    """
    try:
        return Json(msgspec.json.decode(data), is_clean=True)
    except RecursionError as error:
        raise TooDeep from error
    except UnicodeDecodeError as error:
        raise InvalidUtf8 from error
    except msgspec.ValidationError as error:  # a number beyond 64-bit floats: not Infinity
        raise InvalidJson(f"{error}.") from error
    except msgspec.DecodeError as error:
        try:
            return Json(from_json(data, allow_inf_nan=True, cache_strings="keys"), is_clean=False)
        except ValueError:
            raise InvalidJson(f"Send the data as JSON: {error}.") from error


def write_json(value: Any) -> bytes:
    """Return JSON that :func:`read_json` reads as the same value."""
    return json.dumps(value).encode()


def canonical_json(data: Json) -> bytes:
    """Return the same bytes for each spelling of a value: keys sorted, no white space."""
    if data.is_clean:
        return _canonical.encode(data.value)
    return json.dumps(data.value, sort_keys=True, separators=(",", ":")).encode()


def raw_items(body: bytes, find: Callable[[bytes], Iterable[Raw]]) -> list[bytes]:
    """Return the parts of a JSON text that ``find`` finds, verbatim, though some are invalid.

    msgspec cannot find the end of a string with half a surrogate pair, such as an emoji cut in two;
    so it searches a copy of the same length without any.
    """
    masked = _SURROGATE.sub(rb"\\u0020", body)
    texts, end = [], 0
    for part in map(bytes, find(masked)):
        start = masked.index(part, end)
        end = start + len(part)
        texts.append(body[start:end])
    return texts
