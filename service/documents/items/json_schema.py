"""Compilation of clients' JSON Schemas, with a bound on the cost of each.

Patterns run in linear time, and nothing is fetched. The size with all references expanded is
limited, because references that double at every level would cost 2ⁿ for one small item.
"""

import json
from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs

from service.core.errors import Refused

MAX_NODES = 5_000


class BadJsonSchema(Refused):
    code, title = "bad_json_schema", "JSON Schema cannot be used"


@lru_cache(maxsize=256)
def compile_schema(text: str) -> Any:
    """Return the validator of a schema; the last 256 are cached.

    Raises:
        BadJsonSchema: it is invalid or too large, or has circular or external references.
    """
    schema = json.loads(text)
    try:
        size = _ExpandedSize(schema).of(schema)
    except RecursionError as error:
        raise BadJsonSchema("Shorten the chains of references.") from error
    if size > MAX_NODES:
        raise BadJsonSchema(f"Reduce the schema to {MAX_NODES} parts, counting references in full.")
    try:
        return jsonschema_rs.validator_for(
            schema,
            retriever=_refuse_retrieval,
            pattern_options=jsonschema_rs.RegexOptions(),
            validate_formats=False,
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        detail = "Send a valid schema with patterns without look-around and internal references."
        raise BadJsonSchema(detail) from error


def _refuse_retrieval(_uri: str) -> NoReturn:
    raise ValueError("a schema may refer to itself only")


class _ExpandedSize:
    """The number of parts of a schema when each reference is replaced by its target."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._sizes: dict[str, int | None] = {}  # None while the size of a target is computed

    def of(self, node: Any) -> int:
        if isinstance(node, list):
            return 1 + sum(map(self.of, node))
        if not isinstance(node, dict):
            return 1
        references = [node.get(word) for word in ("$ref", "$dynamicRef", "$recursiveRef")]
        targets = sum(self._of_target(text) for text in references if isinstance(text, str))
        return 1 + targets + sum(map(self.of, node.values()))

    def _of_target(self, reference: str) -> int:
        if reference not in self._sizes:
            self._sizes[reference] = None
            self._sizes[reference] = self.of(self._target(reference))
        size = self._sizes[reference]
        if size is None:
            raise BadJsonSchema("Remove the circular references, because they have no bound.")
        return size

    def _target(self, reference: str) -> Any:
        if reference not in ("#", "") and not reference.startswith("#/"):
            raise BadJsonSchema("Write references as #/$defs/name, within the schema itself.")
        node = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise BadJsonSchema(f"Correct the reference {reference[:100]}: it has no target.")
        return node
