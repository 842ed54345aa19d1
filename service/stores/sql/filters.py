"""Filters of lists: ``field``, ``field__op`` and words, as conditions of SQLAlchemy."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, SQLColumnExpression, Text, any_, bindparam, func
from sqlalchemy.sql.functions import Function

# From 30 hyphens on, with white space and the operators that are ignored between them.
_NEGATED_PAIRS = re.compile(r"(-[\s!&|()]*+)(?:-[\s!&|()]*+-[\s!&|()]*+){14,}(?=-)")
Condition = ColumnElement[bool]
Columns = Mapping[str, SQLColumnExpression[Any]]


def _begins(column: Any, escaped: Any) -> Condition:
    """Match the beginning of a column that has a text_pattern_ops index."""
    begins: Condition = column.like(escaped, escape="/")
    return begins


def _any_of(column: Any, values: Any) -> Condition:
    """Match any of an array; PreparedQuery takes no ``IN``, whose text differs by their number."""
    matches: Condition = column == any_(values)
    return matches


OPERATORS: Mapping[str, Callable[[Any, Any], Condition]] = {
    "": operator.eq,
    "in": _any_of,
    "ne": _any_of,  # the other choices: see Others
    "null": lambda column, _: column.is_(None),
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "prefix": _begins,
}

_SEVERAL, _PRESENT = {"in", "ne"}, "present"


class CustomFilter(NamedTuple):
    """A filter that is more than a comparison of one column.

    ``condition`` gets the value as a parameter of ``type_``; ``prepare`` brings the value into the
    form that the condition needs.
    """

    condition: Callable[[Any], Condition]
    type_: Any
    prepare: Callable[[Any], Any] = lambda value: value


def compare(name: str, columns: Columns) -> Condition:
    """Return the condition of ``field__op``; its value is the parameter of the same name.

    A column that is ``lower(…)`` is compared with the lowered value, or with lowered values that
    are separated by commas.
    """
    field, _, op = name.partition("__")
    column: Any = columns[field]
    several = op in _SEVERAL
    if op == _PRESENT:
        is_present: Condition = column.is_not(None)
        return is_present
    if _is_lower(column):
        value: Any = func.lower(bindparam(name, type_=Text))
        if several:
            value = func.string_to_array(value, ",", type_=ARRAY(Text))
    else:
        value = bindparam(name, type_=ARRAY(column.type) if several else column.type)
    return OPERATORS[op](column, value)


def _is_lower(column: Any) -> bool:
    return isinstance(column, Function) and column.name == "lower"


def inserted_before_running(xid: Any) -> Condition:
    """Return the condition of rows of transactions older than the oldest that is running.

    Each of them has ended, in the snapshot of the statement itself: none inserts another row.
    """
    is_older: Condition = xid < func.pg_snapshot_xmin(func.pg_current_snapshot())
    return is_older


def prepare(name: str, value: Any, columns: Columns) -> tuple[str, dict[str, Any]]:
    """Return the name of a filter for :func:`compare`, and the value if the condition has one."""
    field, _, op = name.partition("__")
    if op == "null":
        return (name if value else f"{field}__{_PRESENT}"), {}
    if op == "prefix":
        value = re.sub(r"([%_/])", r"/\1", value) + "%"
    elif op in _SEVERAL and _is_lower(columns[field]):
        value = ",".join(value)
    return name, {name: value}


def quote_words(typed: str) -> str:
    """Return the words of a search for to_tsquery, quoted so that nothing typed is an operator."""
    quoted = re.sub(r"(['\\])", r"\1\1", typed)
    return " & ".join(f"'{word}':*" for word in dict.fromkeys(quoted.split()))


def limit_negations(typed: str) -> str:
    """Return the words of a search for websearch_to_tsquery, without endless negation.

    Each hyphen negates what follows, and PostgreSQL fails at 33 of them in a row. Pairs of them
    negate nothing and are dropped.
    """
    return _NEGATED_PAIRS.sub(r"\1", typed)


def words_begin_in(vector: Any, words: Any) -> Condition:
    """Match rows where each word, quoted by ``quote_words``, begins a word of ``vector``."""
    matches: Condition = vector.bool_op("@@")(func.to_tsquery("simple", words))
    return matches
