"""Filters by several values: ``status__in=active,pending`` and ``status__ne=active``."""

from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from service.web.schemas import Text

T = TypeVar("T")
MOST_VALUES = 50
MOST_CHARS = 2000  # of all values, so that the address of the next page has room for its cursor


def _split(value: Any) -> Any:
    """Return the values of a parameter; of a repeated parameter the last one counts."""
    if isinstance(value, list) and value:
        value = value[-1]
    if not isinstance(value, str):
        return value
    if len(value) > MOST_CHARS:
        raise PydanticCustomError("values", f"Send at most {MOST_CHARS} characters")
    return list(dict.fromkeys(value.split(",")))


# Descriptions of filters that many lists have.
FROM, BEFORE = "at this time or later", "before this time"
WITHOUT = "`true`: those without it; `false`: those with it"
# Whatever a column holds has no more characters; a longer one would match nothing.
FilterText = Annotated[Text, Field(min_length=1, max_length=254)]
# Values separated by commas; a value with a comma in it takes the filter for one value.
Several = Annotated[
    tuple[T, ...],
    BeforeValidator(_split),
    Field(min_length=1, max_length=MOST_VALUES),
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": MOST_CHARS,
            "pattern": f"^[^,]+(,[^,]+){{0,{MOST_VALUES - 1}}}$",
            "description": f"one of these values, separated by commas, at most {MOST_VALUES}",
        }
    ),
]


class Others:
    """Annotation of ``field__ne``: one of a few choices, kept as the tuple of the others.

    An index finds the others; it does not find what differs from one value.
    """

    def __init__(self, choices: Any) -> None:
        self._choices: tuple[str, ...] = get_args(choices)

    def __get_pydantic_core_schema__(
        self, _source: Any, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._others)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "enum": list(self._choices)}

    def _others(self, value: Any) -> Any:
        if isinstance(value, list) and value:
            value = value[-1]
        if isinstance(value, tuple):
            return value  # of a query that was read
        if value not in self._choices:
            choices = ", ".join(self._choices)
            raise PydanticCustomError("choice", "Send one of {choices}", {"choices": choices})
        return tuple(choice for choice in self._choices if choice != value)
