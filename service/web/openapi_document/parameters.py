"""Descriptions of parameters that say no more than their names: ids, sorts and filters."""

from collections.abc import Iterable
from typing import Any

_OPERATORS = {
    "gte": "only with `{field}` of at least this",
    "gt": "only with `{field}` above this",
    "lte": "only with `{field}` of at most this",
    "lt": "only with `{field}` below this; of times, before it",
    "ne": "only with another `{field}`",
    "in": "only with one of these as `{field}`",
    "null": "`true`: only without `{field}`; `false`: only with one",
}
_NAMES = {
    "sort": "the order of the items; `-` stands for descending",
    "limit": "how many at most",
    "If-Match": "The ETag that you read; 412 if the object has changed since.",
}


def describe_parameters(parameters: Iterable[dict[str, Any]]) -> None:
    """Describe each parameter, once: FastAPI repeats its description and its name in the schema."""
    for parameter in parameters:
        schema = parameter["schema"]
        schema.pop("title", None)
        text = parameter.get("description") or schema.get("description") or _described(parameter)
        schema.pop("description", None)
        parameter["description"] = text


def _described(parameter: dict[str, Any]) -> str:
    name: str = parameter["name"]
    if name in _NAMES:
        return _NAMES[name]
    if parameter["in"] == "path":
        subject = name.removesuffix("_id").replace("_", " ")
        return f"The id of the {subject}." if name.endswith("_id") else f"The {subject}."
    field, _, operator = name.rpartition("__")
    if operator in _OPERATORS and field:
        return _OPERATORS[operator].format(field=field)
    return f"only with this `{name}`"
