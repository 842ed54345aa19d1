"""Compilation of searches: from a client's JSON to a MongoDB filter.

Values are scalars and stand behind an operator written here, or in a ``$literal``; no name in a
path begins with ``$``, except in a ``$literal``; text patterns are escaped prefixes. Hence MongoDB
executes nothing that a client sends.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from os.path import commonprefix
from typing import Any, NoReturn

from bson.decimal128 import Decimal128
from pydantic import TypeAdapter

from service.core.errors import Refused, field_error
from service.documents.items.attribute_path import matching, names_in
from service.stores.mongo.client import Document
from service.stores.mongo.json_values import MAX_WHOLE, TOO_LARGE, to_bson
from service.web.problems import pointer_to
from service.web.schemas import Money, Time

MAX_DEPTH, MAX_CONDITIONS, MAX_VALUES = 8, 50, 200
_FIELDS = frozenset(("name", "type", "tags", "price", "created_at", "updated_at"))
_FIELD_DETAIL = (
    "Name a fixed field, attributes.<path>, or a JSON Pointer such as /attributes/home.dest."
)
# Kept in NFC today; older items may have NFD.
_NAMES = frozenset(("name", "tags"))
_time, _money = TypeAdapter[Time](Time), TypeAdapter[Money](Money)
Path = tuple[object, ...]  # of a part of the body


class BadSearch(Refused):
    code, title = "bad_search", "Search is invalid"


def compile_search(where: Mapping[str, Any]) -> Document:
    """Return the filter for a search.

    Raises:
        BadSearch: with a pointer to the invalid part.
    """
    return _Compiler().compile(where, ("where",))


class _Compiler:
    def __init__(self) -> None:
        self.conditions = 0

    def compile(self, node: Any, path: Path) -> Document:
        if not isinstance(node, dict):
            _refuse(path, "Send each condition as an object.")
        if len(path) > 2 * MAX_DEPTH:
            _refuse(path, f"Nest at most {MAX_DEPTH} levels.")
        if len(node) == 1:
            ((word, inner),) = node.items()
            if word in ("and", "or"):
                return {f"${word}": self._all(inner, (*path, word))}
            if word == "not":
                return {"$nor": [self.compile(inner, (*path, word))]}
        return self._condition(node, path)

    def _all(self, nodes: Any, path: Path) -> list[Document]:
        if not isinstance(nodes, list) or not nodes:
            _refuse(path, "Send a list of at least one condition.")
        return [self.compile(node, (*path, index)) for index, node in enumerate(nodes)]

    def _condition(self, node: dict[str, Any], path: Path) -> Document:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            _refuse(path, f"Send at most {MAX_CONDITIONS} conditions.")
        if set(node) != {"field", "op", "value"}:
            _refuse(path, 'Send "field", "op" and "value", or one of "and", "or", "not".')
        field, op = node["field"], node["op"]
        names = names_in(field) if isinstance(field, str) else None
        if names is None and (not isinstance(field, str) or field not in _FIELDS):
            _refuse((*path, "field"), _FIELD_DETAIL)
        if not isinstance(op, str) or op not in _OPERATORS:
            _refuse((*path, "op"), f"Use one of the operators {' '.join(_OPERATORS)}.")
        condition = _OPERATORS[op](field, node["value"], (*path, "value"))
        return {field: condition} if names is None else matching(names, condition)


def _refuse(path: Path, detail: str) -> NoReturn:
    error = field_error(pointer=pointer_to(path), code=BadSearch.code, detail=detail)
    raise BadSearch(detail, errors=[error])


def _scalar(field: str, value: Any, path: Path) -> Any:
    if isinstance(value, dict | list):
        _refuse(path, "Send text, a number, true, false or null.")
    try:
        if field == "price" and value is not None:
            return Decimal128(_money.validate_python(value))
        if field in ("created_at", "updated_at"):
            return _time.validate_python(value)
    except ValueError:
        _refuse(path, f"Send a value that {field} can have.")
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        _refuse(path, TOO_LARGE)
    return to_bson(value)


def name_forms(name: str) -> list[str]:
    """Return the forms in which a name may be stored: NFC, and NFD if it differs."""
    return list(dict.fromkeys(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))


def any_form(field: str, *names: str | None) -> Document:
    """Return the filter of documents with one of the names, in any form; {} without a name."""
    forms = [form for name in names if name is not None for form in name_forms(name)]
    return {field: {"$in": forms}} if forms else {}


def _forms(field: str, value: Any, path: Path) -> list[Any]:
    """Return the stored values that are equal to the value."""
    stored = _scalar(field, value, path)
    is_name = field in _NAMES and isinstance(stored, str)
    return name_forms(stored) if is_name else [stored]


def _equal(operator: str, of_many: str) -> Callable[[str, Any, Path], Document]:
    def build(field: str, value: Any, path: Path) -> Document:
        forms = _forms(field, value, path)
        return {operator: forms[0]} if len(forms) == 1 else {of_many: forms}

    return build


def _compared(operator: str) -> Callable[[str, Any, Path], Document]:
    def build(field: str, value: Any, path: Path) -> Document:
        return {operator: _forms(field, value, path)[0]}

    return build


def _listed(operator: str) -> Callable[[str, Any, Path], Document]:
    def build(field: str, value: Any, path: Path) -> Document:
        if not isinstance(value, list) or len(value) > MAX_VALUES:
            _refuse(path, f"Send a list of at most {MAX_VALUES} values.")
        return {operator: [form for item in value for form in _forms(field, item, path)]}

    return build


def _exists(_field: str, value: Any, path: Path) -> Document:
    if not isinstance(value, bool):
        _refuse(path, "Send true or false for exists.")
    return {"$exists": value}


def _prefix(field: str, value: Any, path: Path) -> Document:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        _refuse(path, "Send text of 1 to 200 characters for prefix.")
    forms = name_forms(value) if field in _NAMES else [value]
    # The index serves what all forms have in common.
    common = commonprefix(forms)  # noqa: RUF071 - of characters
    ends = [re.escape(form[len(common) :]) for form in forms]
    end = ends[0] if len(ends) == 1 else f"(?:{'|'.join(ends)})"
    return {"$regex": "^" + re.escape(common) + end}


def _contains(field: str, value: Any, path: Path) -> Document:
    return {"$elemMatch": _equal("$eq", "$in")(field, value, path)}


_OPERATORS: dict[str, Callable[[str, Any, Path], Document]] = {
    "eq": _equal("$eq", "$in"),
    "ne": _equal("$ne", "$nin"),
    **{op: _compared(f"${op}") for op in ("gt", "gte", "lt", "lte")},
    **{op: _listed(f"${op}") for op in ("in", "nin")},
    "exists": _exists,
    "prefix": _prefix,
    "contains": _contains,
}
