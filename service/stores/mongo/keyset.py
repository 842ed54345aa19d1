"""Orders of lists from MongoDB, and the filter of the documents behind a cursor.

The fields of an order have one direction, in which an index has them, with ``_id`` at last.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from service.stores.mongo.client import Document
from service.stores.mongo.json_types import to_python
from service.stores.mongo.large_documents import Found, Large
from service.web.lists.cursors import Cursor
from service.web.lists.sorting import Sort

# The position before a list that is followed, and is empty.
START = Cursor((datetime(1970, 1, 1, tzinfo=UTC),), UUID(int=0))


def order_of(sorts: Sequence[Sort]) -> list[tuple[str, int]]:
    """Return the order as MongoDB takes it."""
    keys = [*sorts, Sort("_id", sorts[-1].descending)]
    return [(field, -1 if descending else 1) for field, descending in keys]


def cursor_of(last: Found, sorts: Sequence[Sort]) -> Cursor:
    """Return the place of the last document of a page."""
    key, values = (
        (last.key, last.values)
        if isinstance(last, Large)
        else (last["_id"], [last[field] for field, _ in sorts])
    )
    return Cursor(tuple(map(to_python, values)), to_python(key))


def after_cursor(order: Sequence[Sort], start: Cursor) -> Document:
    """Return the filter of the documents after ``start``; the fields have one direction.

    The plain bound comes first, because it alone narrows the index scan.
    """
    op = "$lt" if order[0].descending else "$gt"
    end = dict(zip([sort.field for sort in order], start.values, strict=True)) | {"_id": start.key}
    fields = list(end)
    beyond = [
        {**{same: end[same] for same in fields[:place]}, field: {op: end[field]}}
        for place, field in enumerate(fields)
    ]
    return {fields[0]: {f"{op}e": end[fields[0]]}, "$or": beyond}
