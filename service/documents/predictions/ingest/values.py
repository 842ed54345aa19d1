"""Values of an event that JSON or BSON alone does not hold: NaN, infinities and large integers.

A non-finite number is stored as the BSON double that it is. JSON has ``null`` in its place, and its
name stands in ``nonfinite`` by the JSON Pointer (RFC 6901) of the place. An integer beyond 64 bits
is stored as the Decimal128 of the same value, and is a number in JSON.
"""

import math
from collections.abc import Collection, Iterator
from typing import Any

from service.core.errors import MAX_ERRORS, FieldError, field_error, has_surrogate
from service.documents.predictions.reading.schemas import NonfiniteName
from service.stores.mongo.json_values import (
    MAX_WHOLE,
    NULL_DATABASE,
    TOO_LARGE,
    loses_database,
    to_bson,
)
from service.web.bodies.strict_json import INT64, MAX_DEPTH, OUT_OF_RANGE, TooDeep
from service.web.problems import pointer_to

Path = tuple[object, ...]
_CONTAINERS = (dict, list)
VALUES_PER_PART = 2_000  # take 2 ms (measured)
NONFINITE: dict[str, float] = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def name_of(number: float) -> NonfiniteName:
    """Return the name of a non-finite number, as Python and JavaScript write it."""
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def exact_pointer(path: Path) -> str:
    """Return the JSON Pointer of a place, however long; that of an error is cut."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


class Inspection:
    """The values of an event, checked in one pass and prepared for BSON in place.

    Attributes:
        nonfinite: names of non-finite numbers by exact pointer.
        errors: what cannot be stored, by its place.
    """

    def __init__(self) -> None:
        self.nonfinite: dict[str, NonfiniteName] = {}
        self.errors: list[FieldError] = []
        self._count = 0  # of values in this part

    def inspect(self, root: dict[str, Any]) -> Iterator[None]:
        """Check all values in ``root``, keys included; yield after each part of some milliseconds.

        It is iterative, so that depth costs no stack.
        """
        todo: list[tuple[Path, Any]] = [((), root)]
        while todo:
            path, parent = todo.pop()
            self._count += 1
            if len(path) > MAX_DEPTH:
                self._add(path[:-1], TooDeep.code, TooDeep.detail)
                continue
            if isinstance(parent, dict):
                yield from self._check_keys(path, parent)
            if not _needs_no_look(parent.values() if isinstance(parent, dict) else parent):
                yield from self._check_members(path, parent, todo)
            elif self._part_is_over():
                yield

    def _part_is_over(self) -> bool:
        if self._count < VALUES_PER_PART:
            return False
        self._count = 0
        return True

    def _check_keys(self, path: Path, parent: dict[str, Any]) -> Iterator[None]:
        if loses_database(parent):
            self._add((*path, "$db"), *NULL_DATABASE)
        if _is_suspicious("".join(parent)):
            for key in parent:
                self._count += 1
                self._check_text(key, path, key)
                if self._part_is_over():
                    yield

    def _check_members(
        self, path: Path, parent: Any, todo: list[tuple[Path, Any]]
    ) -> Iterator[None]:
        """Check scalars; put objects and lists with their places on ``todo``."""
        for key, value in members_of(parent):
            self._count += 1
            kind = type(value)
            if kind is float:  # most values, so it costs no call
                if not math.isfinite(value):
                    self.nonfinite[exact_pointer((*path, key))] = name_of(value)
            elif kind in _CONTAINERS:
                todo.append(((*path, key), value))
            elif kind is str or kind is int:
                self._check_scalar(value, path, key, parent)
            if self._count >= VALUES_PER_PART and self._part_is_over():
                yield

    def _check_scalar(self, value: Any, path: Path, key: Any, parent: Any) -> None:
        if isinstance(value, str):
            self._check_text(value, path, key)
        elif not -INT64 <= value < INT64:
            parent[key] = self._to_decimal(value, (*path, key))

    def _check_text(self, text: str, path: Path, key: object) -> None:
        if "\x00" in text:
            self._add((*path, key), "nul_character", "Text must not contain the NUL character.")
        elif not text.isascii() and has_surrogate(text):
            detail = "Text must not contain lone surrogates."
            self._add((*path, key), "invalid_unicode", detail)

    def _to_decimal(self, number: int, path: Path) -> Any:
        if abs(number) > MAX_WHOLE:
            self._add(path, OUT_OF_RANGE, TOO_LARGE)
            return number
        return to_bson(number)

    def _add(self, path: Path, code: str, detail: str) -> None:
        if len(self.errors) < MAX_ERRORS:  # more are not shown, and each costs time
            self.errors.append(field_error(pointer_to(path), code, detail))


def _is_suspicious(text: str) -> bool:
    return "\x00" in text or not text.isascii()


def _needs_no_look(values: Collection[Any]) -> bool:
    """Return whether all are numbers that BSON holds; most lists are, and this is fast."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return all(map(math.isfinite, values))
    return kinds == {int} and -INT64 <= min(values) <= max(values) < INT64


def members_of(parent: Any) -> Iterator[tuple[Any, Any]]:
    """Return keys and values of an object, or of a list; values may be replaced meanwhile."""
    return iter([*parent.items()] if isinstance(parent, dict) else enumerate(parent))


def restore(root: dict[str, Any], nonfinite: Any) -> list[FieldError]:
    """Put non-finite numbers in the place of the nulls that ``nonfinite`` names; return errors."""
    if not isinstance(nonfinite, dict):
        detail = 'Send an object such as {"/features/age": "NaN"}.'
        return [field_error("/nonfinite", "invalid", detail)]
    errors = []
    for pointer, name in nonfinite.items():
        if not _put(root, pointer, name):
            detail = (
                "Send the pointer of a null in features or output, with NaN, Infinity or -Infinity."
            )
            errors.append(field_error(pointer_to(("nonfinite", pointer)), "invalid", detail))
            if len(errors) == MAX_ERRORS:
                break
    return errors


def _put(root: dict[str, Any], pointer: str, name: Any) -> bool:
    number = NONFINITE.get(name) if isinstance(name, str) else None
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]
    if number is None or len(steps) < 3 or steps[0] or steps[1] not in ("features", "output"):
        return False
    parent: Any = root
    for step in steps[1:-1]:
        parent = _member(parent, step)
    last: Any = steps[-1]
    value = _member(parent, last, missing=0)
    if value is not None and not (isinstance(value, float) and not math.isfinite(value)):
        return False
    parent[int(last) if isinstance(parent, list) else last] = number
    return True


def _member(parent: Any, step: str, missing: Any = None) -> Any:
    if isinstance(parent, dict):
        return parent.get(step, missing)
    if isinstance(parent, list) and step.isascii() and step.isdigit() and len(step) < 9:
        index = int(step)
        return parent[index] if index < len(parent) else missing
    return missing
