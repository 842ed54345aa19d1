"""Paths to attributes in searches: with dots, or as a JSON Pointer (RFC 6901).

MongoDB's own paths reach no name that has a dot, begins with ``$`` or is empty. A pointer to such
a name becomes an expression, which no index serves; it compares as MongoDB's operators do.
"""

import re
from typing import Any

from service.stores.mongo.client import Document

MAX_NAMES, MAX_CHARACTERS = 32, 2_000
Names = tuple[str, ...]
_ROOT = "attributes"
_POINTER = re.compile(rf"/{_ROOT}(/([^~/]|~[01])*)+", re.DOTALL)
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def names_in(field: str) -> Names | None:
    """Return the names of a path below ``attributes``; None if it is no such path.

    They are ``("a", "b")`` for ``attributes.a.b`` and ``/attributes/a/b``; only a pointer can have
    names that MongoDB's paths cannot.
    """
    if len(field) > MAX_CHARACTERS or "\x00" in field:
        return None
    if _POINTER.fullmatch(field):
        names = tuple(_unescaped(name) for name in field.split("/")[2:])
    else:
        root, *rest = field.split(".")
        names = tuple(rest) if root == _ROOT and all(map(_is_plain, rest)) else ()
    return names if 0 < len(names) <= MAX_NAMES else None


def _unescaped(name: str) -> str:
    return name.replace("~1", "/").replace("~0", "~")


def _is_plain(name: str) -> bool:
    return name != "" and "." not in name and not name.startswith("$")


def matching(names: Names, condition: Document) -> Document:
    """Return the filter of the items whose attribute meets a condition: ``{"$gte": 5}``."""
    if all(map(_is_plain, names)):
        return {".".join((_ROOT, *names)): condition}
    ((operator, value),) = condition.items()
    test = _test(operator, value)
    return {"$expr": {"$let": {"vars": {"found": _value_at(names)}, "in": test}}}


def _value_at(names: Names) -> Any:
    """Return the expression of the value at a path; only an index leads into a list."""
    value: Any = f"${_ROOT}"
    for name in names:
        member = {"$getField": {"field": {"$literal": name}, "input": "$$at"}}
        branches = [{"case": {"$eq": [{"$type": "$$at"}, "object"]}, "then": member}]
        if _INDEX.fullmatch(name):
            element = {"$arrayElemAt": ["$$at", int(name)]}
            branches.append({"case": {"$isArray": "$$at"}, "then": element})
        step = {"$switch": {"branches": branches, "default": "$$REMOVE"}}
        value = {"$let": {"vars": {"at": value}, "in": step}}
    return value


_NEGATED = {"$ne": "$eq", "$nin": "$in"}


def _test(operator: str, value: Any) -> Document:
    """Return the expression that compares ``$$found``, or any element if it is a list."""
    if operator in _NEGATED:
        return {"$not": [_test(_NEGATED[operator], value)]}
    if operator == "$exists":
        return {"$eq": [{"$ne": [{"$type": "$$found"}, "missing"]}, value]}
    if operator == "$elemMatch":
        contains = {"$in": [{"$literal": value["$eq"]}, "$$found"]}
        return {"$cond": [{"$isArray": "$$found"}, contains, False]}
    elements = {"$cond": [{"$isArray": "$$found"}, "$$found", ["$$found"]]}
    test = _test_of_element(operator, value)
    return {"$anyElementTrue": [{"$map": {"input": elements, "as": "one", "in": test}}]}


def _test_of_element(operator: str, value: Any) -> Document:
    """Return the expression that compares ``$$one``, with values of the same type alone."""
    literal = {"$literal": value}
    if operator == "$regex":
        matches = {"$regexMatch": {"input": "$$one", "regex": literal}}
        return {"$cond": [_has_type_of(""), matches, False]}
    compared = {operator: ["$$one", literal]}
    if operator in ("$eq", "$in"):
        return compared
    return {"$and": [_has_type_of(value), compared]}


def _has_type_of(value: Any) -> Document:
    if value is not None and not isinstance(value, bool | str):
        return {"$isNumber": "$$one"}
    return {"$eq": [{"$type": "$$one"}, {"$type": {"$literal": value}}]}
