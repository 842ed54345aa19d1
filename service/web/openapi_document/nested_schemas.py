"""Visit every JSON Schema of an OpenAPI document."""

from collections.abc import Iterator
from typing import Any

# Their values are data, in which a key such as ``items`` is no keyword.
_DATA = {"example", "examples", "default", "enum", "const"}
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_MAPS = ("properties", "patternProperties", "$defs")
_SINGLE = ("items", "additionalProperties", "not", "contentSchema")


def schemas_in(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each schema of the components and the paths, with its pointer."""
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield from _within(f"/components/schemas/{name}", schema)
    components = {**document.get("components", {}), "schemas": {}}
    yield from _below("", {"paths": document["paths"], "components": components})


def _below(pointer: str, node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        for number, part in enumerate(node):
            yield from _below(f"{pointer}/{number}", part)
    elif isinstance(node, dict):
        for key, part in node.items():
            if key == "schema":
                yield from _within(f"{pointer}/schema", part)
            elif key not in _DATA:
                yield from _below(f"{pointer}/{str(key).replace('/', '~1')}", part)


def _within(pointer: str, schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(schema, dict):  # ``additionalProperties: true``
        return
    yield pointer, schema
    for key in _SINGLE:
        yield from _within(f"{pointer}/{key}", schema.get(key))
    for key in _LISTS:
        for number, part in enumerate(schema.get(key, ())):
            yield from _within(f"{pointer}/{key}/{number}", part)
    for key in _MAPS:
        for name, part in schema.get(key, {}).items():
            yield from _within(f"{pointer}/{key}/{name}", part)
