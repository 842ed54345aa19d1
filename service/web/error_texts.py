"""The sentence of each fault of an input: what to send, in our words and never with the value.

Pydantic's own texts name classes of Python, and not the fields that there are.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import core_schema

from service.web.schemas import MONEY_DETAIL, TIME_DETAIL

MAX_NAMES = 250  # characters of the names that a sentence lists
MAX_COMPARED = 100  # characters of an unknown name that are compared with the known ones
MISSING = "This field is required."
TEXT, OBJECT, LIST = "Send text.", "Send an object.", "Send a list."
_INTEGER, _NUMBER, _TIME = "Send an integer.", "Send a number.", f"{TIME_DETAIL}."
OTHER = "Send a value of the kind that /docs describes."
_PYDANTIC_TYPES = frozenset(get_args(core_schema.ErrorType))
# Types of errors that a text of our own comes with, after a prefix of Pydantic.
_OWN = {"value_error": "Value error, ", "assertion_error": "Assertion failed, "}
_TEXTS = {
    "missing": MISSING,
    "greater_than": "Send more than {gt}.",
    "greater_than_equal": "Send at least {ge}.",
    "less_than": "Send less than {lt}.",
    "less_than_equal": "Send at most {le}.",
    "multiple_of": "Send a multiple of {multiple_of}.",
    "finite_number": "Send a finite number.",
    "too_short": "Send at least {min_length} items.",
    "too_long": "Send at most {max_length} items.",
    "string_too_short": "Send at least {min_length} characters.",
    "string_too_long": "Send at most {max_length} characters.",
    "string_pattern_mismatch": "Send text that matches {pattern}.",
    "literal_error": "Send {expected}.",
    "enum": "Send {expected}.",
    "union_tag_invalid": "Send one of {expected_tags} as {discriminator}.",
    "union_tag_not_found": "Send {discriminator}, the kind of this object.",
    "uuid_version": "Send a UUID of version {expected_version}.",
    "decimal_max_digits": "Send at most {max_digits} digits.",
    "decimal_max_places": "Send at most {decimal_places} decimals.",
    "decimal_whole_digits": "Send at most {whole_digits} digits before the decimal point.",
    "none_required": "Send null, or leave the field out.",
    "missing_sentinel_error": "Leave the field out.",
    "json_invalid": "Send JSON in UTF-8.",
    "set_item_not_hashable": "Send text or numbers in the list.",
    **dict.fromkeys(("string_type", "string_unicode", "bytes_type", "invalid_key"), TEXT),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _INTEGER),
    "int_parsing_size": "Send an integer of fewer digits.",
    **dict.fromkeys(("float_type", "float_parsing"), _NUMBER),
    **dict.fromkeys(("decimal_type", "decimal_parsing"), f"{MONEY_DETAIL}."),
    **dict.fromkeys(("bool_type", "bool_parsing"), "Send true or false."),
    **dict.fromkeys(("list_type", "set_type", "tuple_type", "iterable_type"), LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "dataclass_type"), OBJECT),
    "model_attributes_type": OBJECT,
    **dict.fromkeys(("uuid_type", "uuid_parsing"), "Send a UUID."),
    **dict.fromkeys(("url_type", "url_parsing"), "Send a URL."),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "timezone_aware"), _TIME),
    **dict.fromkeys(("datetime_from_date_parsing", "datetime_object_invalid"), _TIME),
}


def sentence(error: Mapping[str, Any]) -> str:
    """Return the sentence of an error of Pydantic, a member of ``ValidationError.errors()``."""
    kind = error["type"]
    if kind in _OWN:
        return as_sentence(error["msg"].removeprefix(_OWN[kind]))
    if kind not in _PYDANTIC_TYPES:  # a PydanticCustomError of ours
        return as_sentence(error["msg"])
    try:
        text = _TEXTS.get(kind, OTHER).format_map(error.get("ctx", {}))
    except KeyError:
        return OTHER
    return in_singular(text)


def as_sentence(text: str) -> str:
    """Return a text with a capital at its beginning and a full stop at its end."""
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


def in_singular(text: str) -> str:
    """Return a text with "1 character" in place of "1 characters", and "1 item"."""
    return text.replace(" 1 characters", " 1 character").replace(" 1 items", " 1 item")


def unknown_name(kind: str, name: object, known: Collection[str]) -> str:
    """Return the sentence of a ``kind`` (field, parameter) that does not exist.

    It lists those that there are, the nearest to ``name`` first, in at most MAX_NAMES characters.
    """
    if not known:
        return f"Remove this {kind}; /docs lists the known ones."
    pairs = _pairs(f"{name}"[:MAX_COMPARED])
    nearest_first = sorted(known, key=lambda other: (-_nearness(pairs, _known_pairs(other)), other))
    shown, length = list[str](), 0
    for other in nearest_first:
        length += len(other) + 2
        if length > MAX_NAMES:
            break
        shown.append(other)
    left_off = len(known) - len(shown)
    more = f" and {left_off} others" if left_off else ""
    return f"This {kind} does not exist. There are: {', '.join(shown)}{more}."


def _pairs(name: str) -> frozenset[str]:
    """Return the pairs of adjacent characters, those at both ends included."""
    text = f"^{name.lower()}$"
    return frozenset(map("".join, pairwise(text)))


_known_pairs = lru_cache(maxsize=2048)(_pairs)


def _nearness(pairs: frozenset[str], others: frozenset[str]) -> float:
    """Return Dice's coefficient; difflib takes a hundred times as long, for each of many errors."""
    return 2 * len(pairs & others) / (len(pairs) + len(others))


def names_at(schema: object, path: Sequence[object]) -> list[str]:
    """Return the names that the object has which ``path`` leads to, within a type's values.

    The path is that of an error: its steps are fields, places in lists, and kinds of a union.
    """
    models = set(_models(schema))
    for step in path:
        inner = {
            model
            for outer in models
            for name, field in outer.model_fields.items()
            if step in (name, field.alias)
            for model in _models(field.annotation)
        }
        models = inner or models
    return sorted(
        field.alias or name for model in models for name, field in model.model_fields.items()
    )


def _models(schema: object) -> Iterable[type[BaseModel]]:
    """Yield the classes of objects that a type, or a list of types, names.

    ``list[Item] | None`` names Item.
    """
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        yield schema
    for part in schema if isinstance(schema, list) else get_args(schema):
        yield from _models(part)
