"""Values of labels: which there may be, how they are stored, and how they are compared.

A label is any JSON but null. Numbers of at most 64 bits, text and booleans are stored as they are.
An integer beyond them is a Decimal128. Lists and objects are stored as ``{"json": text}`` with
sorted keys, because MongoDB compares objects by the order of their keys, and arrays by their
smallest element.
"""

import json
from typing import Annotated, Any

from bson.decimal128 import Decimal128
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from service.stores.mongo.json_values import MAX_WHOLE, TOO_LARGE, to_bson
from service.web.bodies.strict_json import INT64, OUT_OF_RANGE, LargeIntegers

MAX_LABEL_BYTES = 65_536  # as JSON in UTF-8
LABEL_DETAIL = f"Send a label of at most {MAX_LABEL_BYTES} bytes as JSON, not null."
LABEL_SCHEMA = {
    "anyOf": [{"type": name} for name in ("number", "boolean", "string", "object", "array")],
    "description": f"Any JSON but null, of at most {MAX_LABEL_BYTES} bytes.",
}


_AS_THEY_ARE = frozenset((int, str, bool, type(None)))


def normalize_label(label: Any) -> Any:
    """Return 1 for 1.0, because both are one number in JSON.

    MongoDB compares them as equal, so without this the one that came first would be stored.
    """
    if isinstance(label, float) and label.is_integer() and -INT64 <= label < INT64:
        return int(label)
    return label


def to_stored(label: Any) -> Any:
    """Return the label as it is stored; equal labels are stored equally."""
    if isinstance(label, (list, dict)):
        return {"json": _canonical_json(label)}
    label = to_bson(label)
    if isinstance(label, Decimal128):  # as a double, if that is the same number
        number = label.to_decimal()
        return float(number) if float(number) == number else label
    return normalize_label(label)


def from_stored(stored: Any) -> Any:
    """Return the label that :func:`to_stored` got."""
    if isinstance(stored, Decimal128):
        return int(stored.to_decimal())
    return json.loads(stored["json"]) if isinstance(stored, dict) else stored


def sort_key(stored: Any) -> tuple[int, Any]:
    """Return a key that sorts as BSON does: absent, numbers, text, other JSON, booleans."""
    if stored is None:
        return -1, 0
    if isinstance(stored, bool):
        return 3, stored
    if isinstance(stored, str):
        return 1, stored
    if isinstance(stored, dict):
        return 2, stored["json"]
    return 0, stored.to_decimal() if isinstance(stored, Decimal128) else stored


def text_bytes(stored: Any) -> int:
    """Return the bytes of a label whose size is not bounded by its type; 0 for the others."""
    text = stored["json"] if isinstance(stored, dict) else stored
    return len(text.encode()) if isinstance(text, str) else 0


def _canonical_json(value: Any) -> str:
    return json.dumps(
        _normalize_all(value),
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
        default=from_stored,
    )


def _normalize_all(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        members = value.values() if isinstance(value, dict) else value
        if _AS_THEY_ARE.issuperset(map(type, members)):  # saves most of the time
            return value
    if isinstance(value, dict):
        return {key: _normalize_all(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_normalize_all(member) for member in value]
    return normalize_label(value)


def _to_valid(label: Any) -> Any:
    """Return the label as it is stored; its JSON is made once, and not of one far too large."""
    if label is None or _exceeds_limit(label):
        raise _INVALID
    stored = to_stored(label)
    if isinstance(stored, str) and len(stored) > MAX_LABEL_BYTES // 6:  # longest escape: \u0000
        size = len(json.dumps(stored, ensure_ascii=False).encode())
    else:
        size = text_bytes(stored)
    if size > MAX_LABEL_BYTES:
        raise _INVALID
    return stored


def is_far_too_large(label: Any) -> bool:
    """Return whether this can be no label, whatever its values are; it looks at few of them."""
    try:
        return _exceeds_limit(label)
    except PydanticCustomError:
        return False


def _exceeds_limit(label: Any) -> bool:
    """Return whether the JSON is too large by its least size; look at no more than the limit.

    Raises:
        PydanticCustomError: an integer has too many digits.
    """
    left, todo = MAX_LABEL_BYTES, [label]
    while todo:
        value = todo.pop()
        kind = type(value)
        if kind is str:
            left -= len(value) + 2
        elif kind is list or kind is dict:
            left -= max(2, len(value) + 1)
            if left < len(value):
                return True
            todo.extend(value)
            todo.extend(value.values() if kind is dict else ())
        elif kind is float:
            left -= len(str(normalize_label(value)))
        else:
            if kind is int and not -MAX_WHOLE <= value <= MAX_WHOLE:
                raise PydanticCustomError(OUT_OF_RANGE, TOO_LARGE)
            left -= 1
        if left < 0:
            return True
    return False


_INVALID = PydanticCustomError("invalid_label", LABEL_DETAIL)
LabelValue = Annotated[Any, WithJsonSchema(LABEL_SCHEMA)]
# A label that is sent: it is checked, and becomes what is stored.
SentLabel = Annotated[LabelValue, AfterValidator(_to_valid), LargeIntegers()]
