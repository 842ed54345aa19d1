"""Clients' JSON Schemas, with a bound on the cost of compiling each and of validating with it.

Patterns run in linear time, and nothing is fetched. The size with all references expanded is
limited, because references that double at every level would cost 2ⁿ for one small item. The cost
of a validation is the parts of the schema times the values of the item. It is limited, and what
is not small runs in another process, because jsonschema-rs holds the GIL (measured).
"""

import json
from collections.abc import Iterator
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

import jsonschema_rs

from service.core.errors import MAX_ERRORS, Refused
from service.documents.items.schema_size import (
    ExpandedSize,
    count_values,
    escape,
    find_part,
    one,
    pointer_of,
    steps_of,
    text_checks,
)

Path = tuple[str | int, ...]
MAX_NODES = 5_000
# Parts times values: 10 million take 0.5 s, and 10 s with the slowest keywords (measured).
MAX_COST = 10_000_000
# Patterns times characters: one takes 10 ns, and up to 240 µs in the slowest pattern (measured).
MAX_TEXT_COST, SMALL_TEXT_COST = 1_000_000, 100
# An error holds a copy of the value, and of its alternatives: 1.3 µs for each unit (measured).
SMALL_COST, CHARACTERS_OF_A_UNIT = 20_000, 16
# Compiled patterns of one schema together, and each: the library's own limit.
PATTERNS_BYTES, PATTERN_BYTES = 32 * 2**20, 10 * 2**20
SMALL_PARTS, SMALL_TEXT_CHECKS = 1_000, 10  # compiled in 25 ms (measured)
MAX_COMPILED = 64
_BASE = "https://polystore.invalid/item_type"


class BadJsonSchema(Refused):
    code, title = "bad_json_schema", "JSON Schema cannot be used"


class ValidationTooCostly(Refused):
    code, title = "validation_too_costly", "Validation of the attributes takes too long"
    detail = "Send fewer values or less text, or reduce the alternatives and patterns of the type."


class Violation(NamedTuple):
    """The path to a part of the attributes, and that to the part of the schema it violates."""

    path: Path
    schema_path: Path


class CompiledSchema:
    """A validator of attributes.

    Raises:
        BadJsonSchema: it is too large or, when it is compiled, invalid.
    """

    def __init__(self, text: str) -> None:
        self._schema = json.loads(text)
        self._sizes = ExpandedSize(self._schema, one)
        try:
            self._parts = self._sizes.of(self._schema)
            self._text_checks = ExpandedSize(self._schema, text_checks).of(self._schema)
        except RecursionError as error:
            raise BadJsonSchema("Shorten the chains of references.") from error
        except ValueError as error:
            raise BadJsonSchema(str(error)) from error
        if self._parts > MAX_NODES:
            detail = f"Reduce the schema to {MAX_NODES} parts, counting references in full."
            raise BadJsonSchema(detail)
        self.is_small = self._parts <= SMALL_PARTS and self._text_checks <= SMALL_TEXT_CHECKS

    def compile(self) -> None:
        """Compile it, unless it has been."""
        try:
            _ = self._reporting, self._refuting
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            detail = "Send a valid schema with internal references and with small patterns without "
            raise BadJsonSchema(f"{detail}look-around.") from error

    @cached_property
    def _reporting(self) -> Any:
        return self._compile(self._schema)

    @cached_property
    def _registry(self) -> jsonschema_rs.Registry:
        return jsonschema_rs.Registry([(_BASE, self._schema)], retriever=_refuse_retrieval)

    @cached_property
    def _refuting(self) -> Any:
        return self._refutation(_reference(""))

    def _compile(self, schema: Any, registry: jsonschema_rs.Registry | None = None) -> Any:
        limit = min(PATTERN_BYTES, PATTERNS_BYTES // max(1, self._text_checks))
        return jsonschema_rs.validator_for(
            schema,
            registry=registry,
            retriever=_refuse_retrieval,
            pattern_options=jsonschema_rs.RegexOptions(size_limit=limit),
            validate_formats=False,
        )

    def _refutation(self, schema: dict[str, Any]) -> Any:
        """Return a validator of what does not match.

        ``not`` collects no errors, of which the alternatives have one for each of the values.
        """
        return self._compile({"not": schema}, self._registry)

    def is_small_for(self, value: Any) -> bool:
        """Return whether the value is validated in 25 ms.

        Raises:
            ValidationTooCostly: there are too many parts and values, or patterns and text.
        """
        values, characters = count_values(value)
        text_cost = self._text_checks * characters
        if self._parts * values > MAX_COST or text_cost > MAX_TEXT_COST:
            raise ValidationTooCostly
        small = _is_small(self._parts, values, characters) and text_cost <= SMALL_TEXT_COST
        return self.is_small and small

    def violations(self, value: Any) -> list[Violation]:
        """Return the first violations; if there are too many to list, those of one part."""
        self.compile()
        if _is_small(self._parts, *count_values(value)):
            return _first(self._reporting, value)
        if not self._refuting.evaluate(value).valid:
            return []
        place, path, part = self._violating_part(value)
        node = find_part(self._schema, place)
        if isinstance(node, dict) and _is_small(self._sizes.of(node), *count_values(part)):
            found = _first(self._compile(_reference(place), self._registry), part)
            return [Violation(path + inner, where) for inner, where in found]
        return [Violation(path, tuple(steps_of(place)))]

    def _violating_part(self, value: Any) -> tuple[str, Path, Any]:
        """Return the smallest part that violates its place, with that place and its path."""
        place, path = "", Path()
        while found := self._violating_child(place, value):
            place, step, value = found
            path += step
        return place, path, value

    def _violating_child(self, place: str, value: Any) -> tuple[str, Path, Any] | None:
        node = find_part(self._schema, place)
        if not isinstance(node, dict):
            return None
        for inner, schema, children in _children(node, place, value):
            refuting = self._refutation(schema)
            for step, child in children:
                if refuting.evaluate(child).valid:
                    return inner, step, child
        return None


def _children(
    node: dict[str, Any], place: str, value: Any
) -> Iterator[tuple[str, dict[str, Any], list[tuple[Path, Any]]]]:
    """Yield what applies whatever else is valid: place, schema, parts of the value."""
    whole = [(Path(), value)]
    if isinstance(node.get("$ref"), str):
        target = pointer_of(node["$ref"])
        yield target, _reference(target), whole
    for index, _ in enumerate(node.get("allOf", ())):
        inner = f"{place}/allOf/{index}"
        yield inner, _reference(inner), whole
    properties, items = node.get("properties"), node.get("items")
    if isinstance(properties, dict) and isinstance(value, dict):
        for key in properties.keys() & value.keys():
            inner = f"{place}/properties/{escape(key)}"
            yield inner, _reference(inner), [((key,), value[key])]
    if isinstance(items, dict) and isinstance(value, list) and "prefixItems" not in node:
        inner = f"{place}/items"
        yield inner, _reference(inner), [((index,), child) for index, child in enumerate(value)]
    for word in {"anyOf", "oneOf"} & node.keys():
        inner = f"{place}/{word}"
        alternatives = [_reference(f"{inner}/{index}") for index, _ in enumerate(node[word])]
        yield inner, {word: alternatives}, whole


def _reference(place: str) -> dict[str, Any]:
    return {"$ref": f"{_BASE}#{quote(place)}"}


def _is_small(parts: int, values: int, characters: int) -> bool:
    return parts * (values + characters // CHARACTERS_OF_A_UNIT) <= SMALL_COST


def _first(validator: Any, value: Any) -> list[Violation]:
    return [
        Violation(tuple(error.instance_path), tuple(error.schema_path))
        for error in islice(validator.iter_errors(value), MAX_ERRORS)
    ]


def _refuse_retrieval(_uri: str) -> NoReturn:
    raise ValueError("a schema may refer to itself only")


@lru_cache(MAX_COMPILED)
def measure_schema(text: str) -> CompiledSchema:
    """Return the validator of a schema, which compiles it when it is first used.

    Raises:
        BadJsonSchema: it is too large, or has circular or external references.
    """
    return CompiledSchema(text)
