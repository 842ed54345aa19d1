"""The search grammar: a client's JSON becomes a MongoDB filter in which every operator is ours.

Values are scalars and stand behind an operator that we wrote; paths are checked letter by letter;
text patterns are escaped prefixes. So nothing a client can send would be executed by MongoDB.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NoReturn

from bson.decimal128 import Decimal128
from pydantic import TypeAdapter

from service.core.errors import FieldError, Refused
from service.stores.mongo.client import Document
from service.web.problems import pointer_to
from service.web.schemas import Time

DEEPEST, MOST_CONDITIONS, MOST_VALUES = 8, 50, 200
_FIELDS = frozenset(("name", "type", "tags", "price", "created_at", "updated_at"))
_PATH = re.compile(r"attributes(\.[A-Za-z0-9_-]{1,100}){1,16}")
_time = TypeAdapter[Time](Time)
Where = tuple[object, ...]


class BadSearch(Refused):
    code, title = "bad_search", "This is not a search"


def compile_search(where: Mapping[str, Any]) -> Document:
    """The filter for a search.

    Raises:
        BadSearch: with a pointer to the part that is wrong.
    """
    return _Compiler().compile(where, ("where",))


class _Compiler:
    def __init__(self) -> None:
        self.conditions = 0

    def compile(self, node: Any, at: Where) -> Document:
        if not isinstance(node, dict):
            _refuse(at, "A condition is an object.")
        if len(at) > 2 * DEEPEST:
            _refuse(at, f"At most {DEEPEST} levels.")
        if len(node) == 1:
            ((word, inner),) = node.items()
            if word in ("and", "or"):
                return {f"${word}": self._all(inner, (*at, word))}
            if word == "not":
                return {"$nor": [self.compile(inner, (*at, word))]}
        return self._condition(node, at)

    def _all(self, nodes: Any, at: Where) -> list[Document]:
        if not isinstance(nodes, list) or not nodes:
            _refuse(at, "This takes a list of conditions.")
        return [self.compile(node, (*at, place)) for place, node in enumerate(nodes)]

    def _condition(self, node: dict[str, Any], at: Where) -> Document:
        self.conditions += 1
        if self.conditions > MOST_CONDITIONS:
            _refuse(at, f"At most {MOST_CONDITIONS} conditions.")
        if set(node) != {"field", "op", "value"}:
            _refuse(at, 'A condition has "field", "op" and "value", or is an and, or, not.')
        field, op = node["field"], node["op"]
        if not isinstance(field, str) or not (field in _FIELDS or _PATH.fullmatch(field)):
            _refuse((*at, "field"), "A field is a fixed one or attributes.<path>.")
        if not isinstance(op, str) or op not in _OPERATORS:
            _refuse((*at, "op"), f"The operators are {' '.join(_OPERATORS)}.")
        return {field: _OPERATORS[op](field, node["value"], (*at, "value"))}


def _refuse(at: Where, detail: str) -> NoReturn:
    error = FieldError(pointer=pointer_to(at), code=BadSearch.code, detail=detail)
    raise BadSearch(detail, errors=[error])


def _scalar(field: str, value: Any, at: Where) -> Any:
    if isinstance(value, dict | list):
        _refuse(at, "A value is text, a number, true, false or null.")
    try:
        if field == "price" and value is not None:
            return Decimal128(Decimal(str(value)))
        if field in ("created_at", "updated_at"):
            return _time.validate_python(value, strict=not isinstance(value, str))
    except (ValueError, ArithmeticError):
        _refuse(at, "This is not a value of that field.")
    return value


def _compared(operator: str) -> Callable[[str, Any, Where], Document]:
    def build(field: str, value: Any, at: Where) -> Document:
        return {operator: _scalar(field, value, at)}

    return build


def _listed(operator: str) -> Callable[[str, Any, Where], Document]:
    def build(field: str, value: Any, at: Where) -> Document:
        if not isinstance(value, list) or len(value) > MOST_VALUES:
            _refuse(at, f"This takes a list of at most {MOST_VALUES} values.")
        return {operator: [_scalar(field, each, at) for each in value]}

    return build


def _exists(_field: str, value: Any, at: Where) -> Document:
    if not isinstance(value, bool):
        _refuse(at, "exists takes true or false.")
    return {"$exists": value}


def _prefix(_field: str, value: Any, at: Where) -> Document:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        _refuse(at, "prefix takes text of 1 to 200 characters.")
    return {"$regex": "^" + re.escape(value)}


def _contains(field: str, value: Any, at: Where) -> Document:
    return {"$elemMatch": {"$eq": _scalar(field, value, at)}}


_OPERATORS: dict[str, Callable[[str, Any, Where], Document]] = {
    **{op: _compared(f"${op}") for op in ("eq", "ne", "gt", "gte", "lt", "lte")},
    **{op: _listed(f"${op}") for op in ("in", "nin")},
    "exists": _exists,
    "prefix": _prefix,
    "contains": _contains,
}
