"""JSON as text that PostgreSQL puts together from strings.

It takes half the time of ``json_agg`` and ``json_build_object`` (measured: 20 ms of CPU instead of
37 for 1,000 runs with 13 values each), which look the type of each value up.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, cast, func, literal_column


def constant(text: str) -> ColumnElement[str]:
    """Return a constant of a module as SQL."""
    return literal_column(f"'{text}'", Text())


def joined(*parts: ColumnElement[str] | str) -> ColumnElement[str]:
    """Return one text, NULL if a part is NULL; parts of type ``str`` are constants."""
    first, *others = (constant(part) if isinstance(part, str) else part for part in parts)
    for other in others:
        first = first.concat(other)
    return first


def object_text(fields: Mapping[str, Any], optional: Collection[str] = ()) -> ColumnElement[str]:
    """Return an object of columns that are not NULL; those of ``optional`` are left out instead.

    The first field is never optional.
    """
    parts: list[ColumnElement[str] | str] = []
    for name, value in fields.items():
        begin = f'{"," if parts else "{"}"{name}":'
        if name in optional:
            parts.append(func.coalesce(joined(begin, _value(value)), constant(""), type_=Text))
        else:
            parts += [begin, _value(value)]
    return joined(*parts, "}")


def list_text(element: ColumnElement[str]) -> ColumnElement[str]:
    """Return the aggregate of JSON texts as a list, NULL if there are none."""
    return joined("[", func.string_agg(element, constant(","), type_=Text), "]")


def members_text(lists: Mapping[str, ColumnElement[str]]) -> ColumnElement[str]:
    """Return an object of JSON texts; a member whose text is NULL is left out."""
    members = [joined(f'"{name}":', text) for name, text in lists.items()]
    return joined("{", func.concat_ws(constant(","), *members, type_=Text), "}")


def _value(value: Any) -> ColumnElement[str]:
    """Return a value as JSON text; NaN and infinities are strings."""
    return cast(value if isinstance(value.type, Integer) else func.to_json(value), Text)
