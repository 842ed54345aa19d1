"""Filters of predictions: of the list, the export and the tail, as a query of MongoDB."""

from collections.abc import Mapping
from typing import Any

from service.stores.mongo.client import Document
from service.stores.mongo.filters import all_of, as_filter

_SAME = (
    "model", "version", "status", "role", "user_id", "order_id", "trace_id", "request_id",
    "timestamp", "received_at",
)  # fmt: skip
FIELDS = {"prediction_id": "_id", **{name: name for name in _SAME}}
ELSEWHERE = ("tag", "labelled", "labels")


def conditions(filters: Mapping[str, Any], prefix: str = "") -> Document:
    """Return the query of all filters but those of labels; ``prefix`` is that of the document."""
    compared = {name: value for name, value in filters.items() if name not in ELSEWHERE}
    where = as_filter(compared, FIELDS)
    tag = filters.get("tag")
    return all_of(
        {f"{prefix}{field}": condition for field, condition in where.items()},
        {} if tag is None else tag_condition(tag, prefix),
    )


def tag_condition(tag: str, prefix: str = "") -> Document:
    """Return the query of the tag ``name=value``.

    A path does not reach names with a dot or a leading ``$`` (measured), so an expression does.
    """
    name, _, value = tag.partition("=")
    if name and not name.startswith("$") and "." not in name:
        return {f"{prefix}tags.{name}": {"$eq": value}}
    field = {"$getField": {"field": {"$literal": name}, "input": f"${prefix}tags"}}
    return {"$expr": {"$eq": [field, {"$literal": value}]}}
