"""Sorts of lists: up to three fields, the first of which has an index."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MOST_FIELDS = 3
COMMITTED = "committed"  # the order of a list that is followed


class Sort(NamedTuple):
    """A sort field and its direction."""

    field: str
    descending: bool


@lru_cache(4096)  # what a list accepts is a small set
def parse_sort(sort: str) -> tuple[Sort, ...]:
    """Return the fields of ``-age,name``, the deciding one first."""
    return tuple(Sort(part.removeprefix("-"), part.startswith("-")) for part in sort.split(","))


class Sorting:
    """Annotation of a query's ``sort``: names of fields, separated by commas, ``-`` for descending.

    Args:
        first: the fields that may come first; an index has each of them, with the id behind it.
        then: the fields that may only come behind one of those.
        committed: whether the list can be followed, which no other field may refine.
    """

    def __init__(self, *first: str, then: Sequence[str] = (), committed: bool = False) -> None:
        self.fields = (*first, *then)
        self._first, self._then, self._committed = first, then, committed

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        first, all_ = (f"-?({'|'.join(names)})" for names in (self._first, self.fields))
        followed = f"{COMMITTED}|" if self._committed else ""
        pattern = f"^({followed}{first}(,{all_}){{0,{MOST_FIELDS - 1}}})$"
        return {**handler(schema), "pattern": pattern, "description": self._describe()}

    def _check(self, sort: str) -> str:
        fields = [field for field, _ in parse_sort(sort)] if len(sort) < 200 else []
        is_known = 0 < len(fields) <= MOST_FIELDS and set(fields) <= set(self.fields)
        if self._committed and sort == COMMITTED:
            return sort
        if not is_known or fields[0] not in self._first or len(set(fields)) < len(fields):
            raise PydanticCustomError("sort", "Sort by {sorts}", {"sorts": self._describe()})
        return sort

    def _describe(self) -> str:
        others = f"; behind one of them also {', '.join(self._then)}" if self._then else ""
        followed = "; or `committed`, to follow the list" if self._committed else ""
        return (
            f"up to {MOST_FIELDS} of {', '.join(self._first)}, each once, separated by commas, "
            f"descending with a minus: `-{self._first[0]},{self.fields[1]}`{others}{followed}"
        )
