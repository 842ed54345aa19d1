"""Filters on documents: from the query of a list, from a cursor, and from If-Match."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128

from service.stores.mongo.client import Document
from service.web.conditional import Expected

OPERATORS = {
    "": "$eq", "ne": "$ne", "gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte", "in": "$in",
    "null": "$eq",
}  # fmt: skip


def as_filter(filters: Mapping[str, Any], fields: Mapping[str, str]) -> Document:
    """Return the ``field`` and ``field__op`` filters of a list as a query document.

    Each value stands behind an operator written here, so that no input can be an operator.

    Args:
        filters: values by name, as `ListQuery.filters` returns them.
        fields: the document's field for each name.

    Raises:
        KeyError: a name or an operator is unknown.
    """
    conditions: Document = {}
    for name, value in filters.items():
        field, _, op = name.partition("__")
        compared = {OPERATORS[op]: _to_bson(value)}
        if op == "null":
            compared = {"$eq" if value else "$ne": None}
        conditions.setdefault(fields[field], {}).update(compared)
    return conditions


def _to_bson(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_bson(one) for one in value]
    return Decimal128(value) if isinstance(value, Decimal) else value


def all_of(*conditions: Document) -> Document:
    """Return the filter of the documents that match all conditions.

    The conditions are not merged, because a field would replace the same field of another one.
    """
    present = [condition for condition in conditions if condition]
    if len(present) > 1:
        return {"$and": present}
    return present[0] if present else {}


def as_expected(expected: Expected) -> Document:
    """Return the filter of the versions that If-Match allows."""
    return {} if expected is None else {"version": {"$in": sorted(expected)}}
