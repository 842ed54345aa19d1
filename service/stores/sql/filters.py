"""Filters of lists: ``field``, ``field__op`` and words, as conditions of SQLAlchemy."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, SQLColumnExpression, bindparam, func
from sqlalchemy.sql.functions import Function

# From 30 hyphens on, with white space and the operators that are ignored between them.
_NEGATED_PAIRS = re.compile(r"(-[\s!&|()]*+)(?:-[\s!&|()]*+-[\s!&|()]*+){14,}(?=-)")
Condition = ColumnElement[bool]
Columns = Mapping[str, SQLColumnExpression[Any]]


def _begins(column: Any, escaped: Any) -> Condition:
    """Match the beginning of a column that has a text_pattern_ops index."""
    begins: Condition = column.like(escaped, escape="/")
    return begins


COMMITTED = "committed"  # the order of a list that is followed, and its column
OPERATORS: Mapping[str, Callable[[Any, Any], Condition]] = {
    "": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "prefix": _begins,
}


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

    A column that is ``lower(…)`` is compared with the lowered value.
    """
    field, _, op = name.partition("__")
    column: Any = columns[field]
    value: Any = bindparam(name, type_=column.type)
    if isinstance(column, Function) and column.name == "lower":
        value = func.lower(value)
    return OPERATORS[op](column, value)


def inserted_before_running(xid: Any) -> Condition:
    """Return the condition of rows of transactions older than the oldest that is running.

    Each of them has ended, in the snapshot of the statement itself: none inserts another row.
    """
    is_older: Condition = xid < func.pg_snapshot_xmin(func.pg_current_snapshot())
    return is_older


def prepare_value(name: str, value: Any) -> Any:
    """Return the value of ``field__op`` as its condition needs it."""
    if name.endswith("__prefix"):
        return re.sub(r"([%_/])", r"/\1", value) + "%"
    return value


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
