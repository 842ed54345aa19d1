"""JSON Schemas of clients, compiled so that none of them can cost more than it looks.

Patterns run in linear time, nothing is fetched, and what a schema comes to with its references
written out is bounded: references that double at every level would cost 2ⁿ for one small item.
"""

import json
from functools import lru_cache
from typing import Any, NoReturn

import jsonschema_rs

from service.core.errors import Refused

MOST_NODES = 5_000


class BadJsonSchema(Refused):
    code, title = "bad_json_schema", "This is not a JSON Schema we can use"


@lru_cache(maxsize=256)
def compiled(text: str) -> Any:
    """The validator for a schema; compiled once.

    Raises:
        BadJsonSchema: it is not valid, too large, refers to itself or to something elsewhere.
    """
    schema = json.loads(text)
    try:
        parts = _Unfolded(schema).size(schema)
    except RecursionError as error:
        raise BadJsonSchema("Its references lead on from one to the next too often.") from error
    if parts > MOST_NODES:
        raise BadJsonSchema(f"With its references written out it has more than {MOST_NODES} parts.")
    try:
        return jsonschema_rs.validator_for(
            schema,
            retriever=_no_retrieval,
            pattern_options=jsonschema_rs.RegexOptions(),
            validate_formats=False,
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        detail = "It has to be valid, with patterns without look-around, and refer to itself only."
        raise BadJsonSchema(detail) from error


def _no_retrieval(_uri: str) -> NoReturn:
    raise ValueError("a schema may refer to itself only")


class _Unfolded:
    """Counts the parts of a schema as if each reference stood there written out."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._sizes: dict[str, int | None] = {}

    def size(self, node: Any) -> int:
        if isinstance(node, list):
            return 1 + sum(map(self.size, node))
        if not isinstance(node, dict):
            return 1
        references = [node.get(word) for word in ("$ref", "$dynamicRef", "$recursiveRef")]
        targets = sum(self._target(each) for each in references if isinstance(each, str))
        return 1 + targets + sum(map(self.size, node.values()))

    def _target(self, reference: str) -> int:
        if reference not in self._sizes:
            self._sizes[reference] = None  # under way: whoever meets it again goes round in circles
            self._sizes[reference] = self.size(self._find(reference))
        known = self._sizes[reference]
        if known is None:
            raise BadJsonSchema("A schema whose references go round in circles has no bound.")
        return known

    def _find(self, reference: str) -> Any:
        if reference not in ("#", "") and not reference.startswith("#/"):
            raise BadJsonSchema("References look like #/$defs/name; nothing else is looked up.")
        node = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise BadJsonSchema(f"Nothing stands at {reference[:100]}.")
        return node
