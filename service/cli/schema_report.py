"""The result of comparing the PostgreSQL schema, for scripts and for people."""

from typing import Any

from service.stores.sql.migrations import AHEAD_MESSAGE
from service.stores.sql.schema_check.objects import Difference, SchemaReport


def as_dict(result: SchemaReport) -> dict[str, Any]:
    """Return ``{"head", "expected", "status", "drift": [{…}], "foreign": [{…}]}``."""
    return {
        "head": result.head,
        "expected": result.expected,
        "status": result.status,
        "drift": [vars(difference) for difference in result.drift],
        "foreign": [item._asdict() for item in result.foreign],
    }


def as_lines(result: SchemaReport, pending: int) -> list[str]:
    """Return the differences with their remedies, the foreign objects, and a summary."""
    lines = [line for difference in result.drift for line in difference_lines(difference)]
    lines += [str(item) for item in result.foreign]
    return [*lines, _summary(result, pending)]


def difference_lines(difference: Difference) -> list[str]:
    """Return a line for the difference, and an indented one for each statement of its remedy."""
    statements = [f"{statement.rstrip()};" for statement in difference.remedy]
    remedy = "\n".join(statements or ["-- no single statement mends this; recreate it"])
    return [str(difference), *(f"    {line}" for line in remedy.splitlines())]


def _summary(result: SchemaReport, pending: int) -> str:
    if result.head is None:
        return f"The schema is behind: no migration is applied, {pending} are pending."
    if result.status == "ahead":
        return AHEAD_MESSAGE.format(head=result.head)
    foreign = len(result.foreign)
    beside = f" {_count(foreign, 'object')} not from migrations." if foreign else ""
    if result.drift:
        found = f"{_count(len(result.drift), 'difference')} from the schema at {result.head}."
    else:
        found = "The database matches its migrations."
    if result.status == "behind":
        migrations = _count(pending, "migration")
        return f"The schema is behind: {migrations} pending. At {result.head}: {found}{beside}"
    return f"{found}{beside}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
