"""Sizes of JSON Schemas and of the values that they validate, which multiply to a cost."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

# Each level of these under one of those doubles the work and more: 2.7 times (measured).
_UNEVALUATED = ("unevaluatedProperties", "unevaluatedItems")
_IN_PLACE = frozenset(("allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas"))
_TIMES_UNEVALUATED = 3


class ExpandedSize:
    """The sum over the parts of a schema when each reference is replaced by its target.

    Args:
        root: the whole schema.
        weigh: returns the size of one part without those in it; ``one`` counts the parts.
    """

    def __init__(self, root: Any, weigh: Callable[[Any], int]) -> None:
        self._root, self._weigh = root, weigh
        named_id = isinstance(root, dict) and "draft-04" in str(root.get("$schema"))
        self._id = "id" if named_id else "$id"
        self._sizes: dict[str, int | None] = {}  # None while the size of a target is computed

    def of(self, node: Any) -> int:
        """Return the size of a part.

        Raises:
            ValueError: a reference is circular, external or has no target, with what to do.
        """
        size = self._weigh(node)
        if isinstance(node, list):
            return size + sum(map(self.of, node))
        if not isinstance(node, dict):
            return size
        if node is not self._root and isinstance(node.get(self._id), str):
            # References within it would lead elsewhere than find_part does.
            raise ValueError(f"Remove {self._id} from the parts of the schema.")
        references = [node.get(word) for word in ("$ref", "$dynamicRef", "$recursiveRef")]
        size += sum(self._of_target(text) for text in references if isinstance(text, str))
        times = _TIMES_UNEVALUATED if any(word in node for word in _UNEVALUATED) else 1
        return size + sum(
            self.of(child) * (times if word in _IN_PLACE else 1) for word, child in node.items()
        )

    def _of_target(self, reference: str) -> int:
        if reference not in self._sizes:
            self._sizes[reference] = None
            self._sizes[reference] = self.of(find_part(self._root, pointer_of(reference)))
        size = self._sizes[reference]
        if size is None:
            raise ValueError("Remove the circular references, because they have no bound.")
        return size


def one(_node: Any) -> int:
    """Weigh each part alike."""
    return 1


def text_checks(node: Any) -> int:
    """Weigh a part by the keywords in it that read each character of a text."""
    if not isinstance(node, dict):
        return 0
    names = node.get("patternProperties")
    words = ("pattern", "contentEncoding", "contentMediaType")
    return sum(word in node for word in words) + len(names if isinstance(names, dict) else ())


def pointer_of(reference: str) -> str:
    """Return the pointer of a reference: ``/$defs/a b`` for ``#/$defs/a%20b``.

    Raises:
        ValueError: it leads elsewhere.
    """
    if reference not in ("#", "") and not reference.startswith("#/"):
        raise ValueError("Write references as #/$defs/name, within the schema itself.")
    return unquote(reference.removeprefix("#"))


def escape(key: str) -> str:
    """Return a key as a step of a pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def steps_of(pointer: str) -> list[str]:
    """Return the steps of a pointer: ``["$defs", "a/b"]`` for ``/$defs/a~1b``."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def find_part(root: Any, pointer: str) -> Any:
    """Return the part of a schema at a pointer.

    Raises:
        ValueError: there is none.
    """
    node = root
    for key in steps_of(pointer):
        if isinstance(node, dict) and key in node:
            node = node[key]
        elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise ValueError(f"Correct the reference #{pointer[:100]}: it has no target.")
    return node


def count_values(value: Any) -> tuple[int, int]:
    """Return the number of values, keys included, and that of the characters of all texts."""
    values = characters = 0
    todo = [value]
    while todo:
        part = todo.pop()
        values += 1
        if isinstance(part, dict):
            todo.extend(part)
            todo.extend(part.values())
        elif isinstance(part, list):
            todo.extend(part)
        elif isinstance(part, str):
            characters += len(part)
    return values, characters
