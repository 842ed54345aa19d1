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
    """Describe each parameter once, and leave out null, which an address cannot hold.

    FastAPI repeats the description and the name in the schema.
    """
    for parameter in parameters:
        schema = parameter["schema"] = _without_null(parameter["schema"])
        schema.pop("title", None)
        text = parameter.get("description") or schema.get("description") or _described(parameter)
        schema.pop("description", None)
        parameter["description"] = text


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    if {"type": "null"} not in schema.get("anyOf", ()):
        return dict(schema)
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    others = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**others, **(kinds[0] if len(kinds) == 1 else {"anyOf": kinds})}


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
