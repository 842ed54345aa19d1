"""Filters of lists: ``field``, ``field__op`` and words, as conditions of SQLAlchemy."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    SQLColumnExpression,
    Text,
    all_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql.functions import Function

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

    A column within a function is compared with the value within the same function, or with
    values that are separated by commas.
    """
    field, _, op = name.partition("__")
    column: Any = columns[field]
    if op == _PRESENT:
        is_present: Condition = column.is_not(None)
        return is_present
    several = op in _SEVERAL
    if isinstance(column, Function):
        value: Any = getattr(func, column.name)(bindparam(name, type_=Text))
        if several:  # one text, which the planner turns into an array that it knows
            value = func.string_to_array(value, ",", type_=ARRAY(Text))
    else:
        value = bindparam(name, type_=ARRAY(column.type) if several else column.type)
    return OPERATORS[op](column, value)


def any_within(column: Function[Any]) -> CustomFilter:
    """Return the filter ``field__in`` of a function that must see each value alone."""

    def condition(values: Any) -> Condition:
        value = func.unnest(values).column_valued("value")
        within = select(getattr(func, column.name)(value)).scalar_subquery()
        return _any_of(column, func.array(within, type_=ARRAY(Text)))

    return CustomFilter(condition, ARRAY(Text), list)


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
    elif op in _SEVERAL:
        value = ",".join(value) if isinstance(columns[field], Function) else list(value)
    return name, {name: value}


def has_parts(vector: Any, *searched: Any) -> CustomFilter:
    """Return the filter of rows in which each word that was typed is part of a word.

    ``vector`` is the indexed column over the columns ``searched``. It has the parts of three
    letters; the patterns exclude rows in which they are no neighbours. A word of one or two letters
    must begin a word.
    """

    def condition(typed: Any) -> Condition:
        searched_text = func.concat_ws(literal_column("' '"), *searched, type_=Text)
        patterns = all_(func.search_patterns(typed, type_=ARRAY(Text)))
        # Cheap tests come first: 15,000 rows of ü take 30, 140 and 500 ms by the last three. In a
        # CASE they hardly change the estimate of the rows that the index finds.
        is_certain = vector.bool_op("@@")(func.search_certain(typed))
        has_plainly = func.lower(searched_text.collate("C")).like(patterns)
        has_folded = func.fold_text(searched_text, type_=Text).like(patterns)
        has_all = case(
            (is_certain, true()),
            (has_plainly, true()),
            (has_folded, true()),
            else_=func.search_text(searched_text, type_=Text).like(patterns),
        )
        may_have: Condition = vector.bool_op("@@")(func.search_query(typed))
        return may_have & has_all

    return CustomFilter(condition, Text)


def has_words(vector: Any) -> CustomFilter:
    """Return the filter of texts that match a query as search engines have it."""

    def condition(typed: Any) -> Condition:
        matches: Condition = vector.bool_op("@@")(func.search_websearch(typed))
        return matches

    return CustomFilter(condition, Text)
