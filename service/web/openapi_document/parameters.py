"""Parameters: each has a description, and none a default that clients would send."""

import json
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


class Undescribed(Exception):
    """A parameter has no description."""


def describe_parameters(parameters: Iterable[dict[str, Any]]) -> None:
    """Describe each parameter once, and leave out null, which an address cannot hold.

    FastAPI repeats the description and the name in the schema. A default is named in the
    description, because generated clients send each ``default`` with every request.

    Raises:
        Undescribed: its name does not say what it does.
    """
    for parameter in parameters:
        schema = parameter["schema"] = without_null(parameter["schema"])
        schema.pop("title", None)
        text = parameter.get("description") or schema.get("description") or _described(parameter)
        schema.pop("description", None)
        default = schema.pop("default", None)
        if default is not None:
            value = default if isinstance(default, str) else json.dumps(default)
            text = f"{text} (default: `{value}`)"
        parameter["description"] = text


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of what may be absent, for which FastAPI writes null."""
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
    raise Undescribed(f"Describe the parameter {name}, with Field(description=…).")
