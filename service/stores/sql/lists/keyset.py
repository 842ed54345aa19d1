"""Orders of lists, and the condition of the rows behind a cursor.

Sort values are never NULL: a column that may be is sorted by ``coalesce``, as is its index. Rows of
equal sort values are ordered by id, in the direction of the last field.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, or_, tuple_

from service.web.lists.sorting import Sort


class Key(NamedTuple):
    """One of the columns that rows are ordered by."""

    column: Any
    descending: bool

    def ordered(self) -> Any:
        """Return the key for ORDER BY."""
        return self.column.desc() if self.descending else self.column


def keys_of(sorts: Sequence[Sort], columns: Sequence[Any], key: Any) -> list[Key]:
    """Return the keys of a sort, with the id at last."""
    directions = [sort.descending for sort in sorts]
    return list(map(Key, [*columns, key], [*directions, directions[-1]]))


def cursor_values(values: Sequence[Any], key: Any) -> dict[str, Any]:
    """Return the parameters of :func:`after`."""
    return {f"_after{place}": value for place, value in enumerate([*values, key])}


def after(keys: Sequence[Key]) -> ColumnElement[bool]:
    """Return the condition of the rows behind the cursor, whose values are parameters.

    The bound of the first key stands alone, or is the first of a row: so an index is entered there.
    """
    last = [bindparam(f"_after{place}", type_=key.column.type) for place, key in enumerate(keys)]
    if len({key.descending for key in keys}) == 1:
        this, end = tuple_(*(key.column for key in keys)), tuple_(*last)
        return this < end if keys[0].descending else this > end
    first = keys[0].column
    bound: ColumnElement[bool] = first <= last[0] if keys[0].descending else first >= last[0]
    return and_(bound, _beyond(keys, last))


def _beyond(keys: Sequence[Key], last: Sequence[Any]) -> ColumnElement[bool]:
    (column, descending), end = keys[0], last[0]
    beyond: ColumnElement[bool] = column < end if descending else column > end
    if len(keys) == 1:
        return beyond
    return or_(beyond, and_(column == end, _beyond(keys[1:], last[1:])))
