"""Names that a search finds rows by: attributes, children by key, and related rows.

A feature declares them; ``conditions.py`` and ``ordering.py`` turn names into SQL with them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement

from service.relational.search_language.errors import InvalidFilter, InvalidOrder
from service.relational.search_language.tree import Name, Operator

Condition = ColumnElement[bool]
Kind = Literal["text", "number", "time"]
TEXTS: frozenset[Operator] = frozenset({"=", "!=", "LIKE", "ILIKE"})
SETS: frozenset[Operator] = frozenset({"IN", "NOT IN"})
NUMBERS: frozenset[Operator] = frozenset({"=", "!=", "<", "<=", ">", ">="})
NULLS: frozenset[Operator] = frozenset({"IS NULL", "IS NOT NULL"})
SHOWN_NAMES = 12


@dataclass(frozen=True)
class Attribute:
    """A column of the searched rows.

    Args:
        column: an expression over the row; ``time`` is a timestamp that clients write in
            milliseconds since 1970.
        kind: of the values that a filter compares.
        sets: whether IN and NOT IN are allowed.
        nullable: whether rows may have none; those come last in both directions.
        exact: the column that ``=``, ``!=``, IN and the order use instead, such as an id.
        read: turns the text of a filter into a value of ``exact``; None equals nothing.
        order: whether results may be ordered by it.
    """

    column: Any
    kind: Kind = "text"
    sets: bool = False
    nullable: bool = False
    exact: Any = None
    read: Callable[[str], Any] = str
    order: bool = True

    @property
    def operators(self) -> frozenset[Operator]:
        allowed = TEXTS if self.kind == "text" else NUMBERS
        return allowed | NULLS | (SETS if self.sets else frozenset())


@dataclass(frozen=True)
class Keyed:
    """Rows of a child table, one for each key: params, tags, metrics.

    Args:
        child: makes an alias of the table: ``lambda: aliased(RunTag)``.
        on: the condition that a child belongs to the searched row.
        parent: the table of the searched rows.
        value: the compared value of a child and key; ``child.value`` by default.
        kind: ``number`` values may be NaN.
        attributes: keys that are columns of the searched row instead.
        indexed: whether an index holds ``left(value, 250)`` instead of the value.
        sorted: whether an index has the numbers of a key in their order.
        absent_differs: keys for which ``!=`` also finds rows without the key.
    """

    child: Callable[[], Any]
    on: Callable[[Any], Condition]
    parent: Any
    value: Callable[[Any, str], Any] = lambda child, _key: child.value
    kind: Kind = "text"
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    indexed: bool = True
    sorted: bool = False
    absent_differs: frozenset[str] = frozenset()
    order: bool = True

    @property
    def operators(self) -> frozenset[Operator]:
        return (TEXTS | SETS if self.kind == "text" else NUMBERS) | NULLS


@dataclass(frozen=True)
class Related:
    """Rows that belong to the searched row, one of which must match: the datasets of a run.

    Args:
        exists: turns the condition of one of them into that of the searched row.
        attributes: their columns.
    """

    exists: Callable[[Condition], Condition]
    attributes: Mapping[str, Attribute]


Entity = Mapping[str, Attribute] | Keyed | Related


@dataclass(frozen=True)
class Searchable:
    """The names that a search knows: entities, and the synonyms of entities.

    The entity ``attributes`` is meant where a name has none.
    """

    entities: Mapping[str, Entity]
    synonyms: Mapping[str, str] = field(default_factory=dict)

    def canonical(self, name: Name, error: type[InvalidFilter] | type[InvalidOrder]) -> Name:
        """Return the name with the entity that a synonym stands for.

        Raises:
            error: there is no such entity, or it has no such attribute.
        """
        entity = name.entity or "attributes"
        entity = self.synonyms.get(entity, entity)
        found = self.entities.get(entity)
        if found is None:
            raise error(f"{name.entity} is none of {_some(self.entities)}.", name.at)
        names = found.attributes if isinstance(found, Related) else found
        if not isinstance(names, Keyed) and name.key not in names:
            raise error(f"{name} is none of {_some(names)}.", name.at)
        return Name(entity, name.key, name.at)

    def find(
        self, name: Name, error: type[InvalidFilter] | type[InvalidOrder]
    ) -> tuple[Attribute | Keyed | Related, Attribute | None]:
        """Return the entity that a name belongs to, and its attribute if it is one.

        Raises:
            error: as ``canonical`` does.
        """
        name = self.canonical(name, error)
        found = self.entities[name.entity or ""]
        if isinstance(found, (Keyed, Related)):
            attribute = found.attributes.get(name.key)
            if isinstance(found, Keyed) and attribute is not None:
                return attribute, attribute
            return found, attribute
        return found[name.key], found[name.key]


def uuid_of(text: str) -> UUID | None:
    """Return the id that 32 digits are, or the usual form with hyphens; None for other text."""
    if len(text) not in (32, 36):
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _some(names: Mapping[str, Any]) -> str:
    shown = list(names)[:SHOWN_NAMES]
    return ", ".join(shown) + (" …" if len(names) > SHOWN_NAMES else "")
