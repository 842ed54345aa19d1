"""Conditions of filters: tree → SQLAlchemy.

An absent key never matches, not even with ``!=``. NaN satisfies ``!=`` alone, although PostgreSQL
sorts it behind all numbers.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Double,
    Text,
    and_,
    any_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from service.relational.search_language.errors import InvalidFilter
from service.relational.search_language.searchable import (
    Attribute,
    Condition,
    Keyed,
    Related,
    Searchable,
)
from service.relational.search_language.tree import Clause, Either, Tree

INDEXED_CHARS = 250  # of a value that the indexes of child tables hold
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_LAST_MS = (_LAST - _EPOCH) // timedelta(milliseconds=1)
_INT64 = 2**63


def condition(tree: Tree, searchable: Searchable) -> Condition:
    """Return the condition of a filter.

    Raises:
        InvalidFilter: a name, an operator or a value does not fit.
    """
    if isinstance(tree, Clause):
        return _clause(tree, searchable)
    parts = [condition(part, searchable) for part in tree.parts]
    if isinstance(tree, Either):
        return or_(false(), *parts)
    return and_(true(), *parts)


def _clause(clause: Clause, searchable: Searchable) -> Condition:
    found, attribute = searchable.find(clause.name, InvalidFilter)
    _check(clause, found if attribute is None else attribute)
    if isinstance(found, Attribute):
        return _of_attribute(clause, found)
    if isinstance(found, Keyed):
        return _of_child(clause, found)
    assert attribute is not None  # noqa: S101 - a Related has attributes alone
    if clause.operator == "IS NULL":
        return not_(
            found.exists(_of_attribute(Clause(clause.name, "IS NOT NULL", None, 0), attribute))
        )
    return found.exists(_of_attribute(clause, attribute))


def _check(clause: Clause, found: Attribute | Keyed | Related) -> None:
    """Raise InvalidFilter if the operator or the value is not of the kind that is compared."""
    assert not isinstance(found, Related)  # noqa: S101 - the caller has its attribute
    name, operator, value = clause.name, clause.operator, clause.value
    if operator not in found.operators:
        raise InvalidFilter(f"Compare {name} with {', '.join(sorted(found.operators))}.", clause.at)
    if found.kind == "text":
        if isinstance(value, int | float):
            raise InvalidFilter(f"{name} is text: put its value in quotes.", clause.at)
    elif isinstance(value, str):
        raise InvalidFilter(f"{name} is a number: remove the quotes.", clause.at)
    if operator in {"LIKE", "ILIKE"}:
        pattern = str(value)
        if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
            raise InvalidFilter(r"A pattern cannot end with one \; write \\ for it.", clause.at)


def _of_attribute(clause: Clause, attribute: Attribute) -> Condition:
    operator, value = clause.operator, clause.value
    exact = attribute.column if attribute.exact is None else attribute.exact
    if operator in {"IS NULL", "IS NOT NULL"}:
        return _made(exact.is_(None) if operator == "IS NULL" else exact.is_not(None))
    if attribute.kind == "time":
        return _compare(exact, operator, literal(_moment(value), TIMESTAMP(timezone=True)))
    if attribute.kind == "number":
        return _numeric(exact, operator, value)
    if operator in {"LIKE", "ILIKE"}:
        return _like(attribute.column, operator, value)
    sent = value if isinstance(value, tuple) else (str(value),)
    read = [one for one in map(attribute.read, sent) if one is not None]
    is_one: Condition = exact == any_(literal(read, ARRAY(exact.type)))
    return is_one if operator in {"=", "IN"} else not_(is_one)


def _of_child(clause: Clause, keyed: Keyed) -> Condition:
    child, key, operator = keyed.child(), clause.name.key, clause.operator
    of_key = and_(keyed.on(child), child.key == key)
    value = keyed.value(child, key)
    if operator in {"IS NULL", "IS NOT NULL"}:
        exists = select(literal(1)).where(of_key, value.is_not(None)).exists()
        return exists if operator == "IS NOT NULL" else not_(exists)
    if keyed.kind == "number":
        matches = _numeric(value, operator, clause.value)
    else:
        matches = _textual(value, operator, clause.value, indexed=keyed.indexed)
    if operator == "!=" and key in keyed.absent_differs:
        equals = _textual(value, "=", clause.value, indexed=keyed.indexed)
        return not_(select(literal(1)).where(of_key, equals).exists())
    return select(literal(1)).where(of_key, matches).exists()


def _numeric(column: Any, operator: str, value: Any) -> Condition:
    """Compare numbers; NaN is greater than all in PostgreSQL, and here satisfies ``!=`` alone."""
    is_float = isinstance(column.type, Double)
    is_int = not is_float and isinstance(value, int) and -_INT64 <= value < _INT64
    bound = literal(value, BigInteger) if is_int else literal(float(value), Double)
    compared = _compare(column, operator, bound)
    if is_float and operator in {">", ">="}:
        return and_(compared, column < literal(float("nan"), Double))
    return compared


def _textual(column: Any, operator: str, value: Any, *, indexed: bool = False) -> Condition:
    if operator in {"LIKE", "ILIKE"}:
        return _like(column, operator, value)
    if isinstance(value, str):
        is_it = _begins(column, value, indexed=indexed) & (column == literal(value, Text))
    else:
        texts = literal(list(value), ARRAY(Text))
        begins = [text[:INDEXED_CHARS] for text in value]
        is_it = _begins(column, begins, indexed=indexed) & (column == any_(texts))
    return _made(is_it) if operator in {"=", "IN"} else not_(is_it)


def _begins(column: Any, value: str | list[str], *, indexed: bool) -> Condition:
    """Return what an index on the beginning finds."""
    if not indexed:
        return true()
    begin = func.left(column, INDEXED_CHARS)
    if isinstance(value, str):
        return _made(begin == literal(value[:INDEXED_CHARS], Text))
    return _made(begin == any_(literal(value, ARRAY(Text))))


def _like(column: Any, operator: str, pattern: Any) -> Condition:
    if operator == "LIKE":
        return _made(column.like(pattern))
    # Bytewise collations know the case of ASCII letters alone.
    return _made(column.collate("default").ilike(pattern))


def _compare(column: Any, operator: str, value: Any) -> Condition:
    sign = "<>" if operator == "!=" else operator
    return _made(column.op(sign, is_comparison=True)(value))


def _made(clause: Any) -> Condition:
    """Return what SQLAlchemy makes of untyped columns."""
    made: Condition = clause
    return made


def _moment(value: Any) -> datetime:
    """Return a time of milliseconds since 1970; one that no row can have is moved to an end."""
    if value > _LAST_MS:
        return _LAST
    if value < (_FIRST - _EPOCH) / timedelta(milliseconds=1):
        return _FIRST
    return _EPOCH + timedelta(milliseconds=value)
