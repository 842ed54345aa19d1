"""Orders of searches: ``metrics.loss DESC``, and the condition of the rows behind a page.

Numbers come first, then NaN, then rows without a value, in both directions. Text is ordered by its
first 250 characters, byte by byte, because tokens and indexes hold no more.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
    Double,
    Select,
    SmallInteger,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
)

from service.relational.search_language.conditions import INDEXED_CHARS
from service.relational.search_language.errors import InvalidOrder
from service.relational.search_language.names import name_at
from service.relational.search_language.searchable import Attribute, Condition, Keyed, Searchable
from service.relational.search_language.tree import Name
from service.relational.search_language.words import split

MOST_KEYS = 10
_DIRECTIONS = {"ASC": False, "DESC": True, "": False}


class OrderBy(NamedTuple):
    """A name that results are ordered by."""

    name: Name
    descending: bool = False


def parse_order(texts: Sequence[str]) -> list[OrderBy]:
    """Return the names and directions of ``["metrics.loss DESC", "start_time"]``.

    Raises:
        InvalidOrder: with the place in the text; or there are more than MOST_KEYS texts.
    """
    if len(texts) > MOST_KEYS:
        raise InvalidOrder(f"Send at most {MOST_KEYS} names.")
    return [_parse(text) for text in texts]


def _parse(text: str) -> OrderBy:
    words = split(text, InvalidOrder)
    name, place = name_at(words, 0, InvalidOrder)
    direction = words[place].keyword
    end = place + (direction in {"ASC", "DESC"})
    if words[end].kind != "end":
        raise InvalidOrder("Send a name, then ASC, DESC or nothing.", words[end].at)
    return OrderBy(name, _DIRECTIONS[direction])


class SortKey(NamedTuple):
    """A column of ORDER BY; ``ranks`` is true if it puts rows with a value before others."""

    column: Any
    descending: bool = False


@dataclass(frozen=True)
class Ordering:
    """The keys of an order, and the children that they are read from.

    The id of the searched row is the last key, so that no two rows are equal.
    """

    keys: Sequence[SortKey]
    joins: Sequence[tuple[Any, Any, Condition]] = ()
    sorted: bool = False
    """Whether an index has the numbers of the first key in their order."""

    @classmethod
    def of(
        cls,
        wanted: Iterable[OrderBy],
        searchable: Searchable,
        ties: Sequence[tuple[Any, bool]],
    ) -> "Ordering":
        """Return the order of a search.

        Args:
            wanted: what the client sent; of a name that comes twice, the first counts.
            ties: columns that are never NULL and whether they descend; the last one is the id.

        Raises:
            InvalidOrder: results are not ordered by that.
        """
        keys: list[SortKey] = []
        joins: list[tuple[Any, Any, Condition]] = []
        is_sorted = False
        for name, descending in _distinct(wanted, searchable):
            found, attribute = searchable.find(name, InvalidOrder)
            if isinstance(found, Attribute) and found.order:
                keys += _of_attribute(found, descending)
            elif isinstance(found, Keyed) and found.order and attribute is None:
                child = found.child()
                joins.append((found.parent, child, and_(found.on(child), child.key == name.key)))
                value = found.value(child, name.key)
                is_sorted = is_sorted or (found.sorted and not keys)
                keys += _ranked(value, descending, is_text=found.kind == "text")
            else:
                raise InvalidOrder(f"Results cannot be ordered by {name}.", name.at)
        return cls([*keys, *(SortKey(*tie) for tie in ties)], joins, is_sorted)

    def apply(self, statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
        """Return the statement with its rows in this order."""
        for parent, child, on in self.joins:
            statement = statement.outerjoin_from(parent, child, on)
        return statement.order_by(
            *(key.column.desc() if key.descending else key.column for key in self.keys)
        )

    def apply_to_numbers(
        self, statement: Select[*tuple[Any, ...]], end: Sequence[Any] | None
    ) -> Select[*tuple[Any, ...]]:
        """Return the rows whose first key is a number, behind ``end``, in this order.

        They come before all others. An index reads them in order, so that few rows of many are
        found without sorting all. Only for an order that is ``sorted``.
        """
        (parent, child, on), *others = self.joins
        statement = statement.join_from(parent, child, on)
        rest = Ordering(self.keys[1:], others)
        number = rest.keys[0].column
        statement = statement.where(number < literal(float("nan"), Double))
        if end is not None:
            statement = statement.where(rest.after(end[1:]))
        return rest.apply(statement)

    def columns(self) -> list[Any]:
        """Return the values of the keys, ``_key0`` …, to be selected beside the rows."""
        return [key.column.label(f"_key{place}") for place, key in enumerate(self.keys)]

    def values(self, row: Any) -> tuple[Any, ...]:
        """Return the values of the keys of a row that was selected with ``columns``."""
        values = (row._mapping[f"_key{place}"] for place in range(len(self.keys)))
        return tuple(values)

    def after(self, values: Sequence[Any]) -> Condition:
        """Return the condition of the rows behind the one with these values.

        NULL and NaN stand behind a rank of their own, within which they do not differ.
        """
        pairs = [
            (key, value)
            for key, value in zip(self.keys, values, strict=True)
            if value is not None and value == value  # noqa: PLR0124 - NaN is not
        ]
        first, value = pairs[0]
        return and_(_reaches(first, value), _beyond(pairs))


def _distinct(wanted: Iterable[OrderBy], searchable: Searchable) -> list[OrderBy]:
    first: dict[tuple[str | None, str], OrderBy] = {}
    for name, descending in wanted:
        known = searchable.canonical(name, InvalidOrder)
        first.setdefault((known.entity, known.key), OrderBy(known, descending))
    return list(first.values())


def _of_attribute(attribute: Attribute, descending: bool) -> list[SortKey]:
    column = attribute.column if attribute.exact is None else attribute.exact
    is_text = attribute.kind == "text" and attribute.exact is None
    if attribute.nullable:
        return _ranked(column, descending, is_text=is_text)
    return [SortKey(_begin(column) if is_text else column, descending)]


def _ranked(value: Any, descending: bool, *, is_text: bool) -> list[SortKey]:
    ranks: list[Any] = [(value.is_(None), literal_column("2"))]
    if isinstance(value.type, Double):
        ranks.append((value == literal(float("nan"), Double), literal_column("1")))
    rank = case(*ranks, else_=literal_column("0", SmallInteger()))
    return [SortKey(rank), SortKey(_begin(value) if is_text else value, descending)]


def _begin(text: Any) -> Any:
    """Return what of a text is ordered by: tokens hold it, so it must not be long."""
    return func.left(text, INDEXED_CHARS, type_=text.type)


def _reaches(key: SortKey, value: Any) -> Condition:
    end = literal(value, key.column.type)
    reached: Condition = key.column <= end if key.descending else key.column >= end
    return reached


def _beyond(pairs: Sequence[tuple[SortKey, Any]]) -> Condition:
    (key, value), *others = pairs
    end = literal(value, key.column.type)
    beyond: Condition = key.column < end if key.descending else key.column > end
    if not others:
        return beyond
    return or_(beyond, and_(key.column == end, _beyond(others)))
