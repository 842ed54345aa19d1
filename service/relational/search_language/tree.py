"""Trees of filters: clauses, joined by AND and OR."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=",
    "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL",
]  # fmt: skip
Value = str | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Name:
    """A name of a filter or an order: ``metrics.loss``; no entity means an attribute.

    ``at`` counts the characters before it.
    """

    entity: str | None
    key: str
    at: int = 0

    def __str__(self) -> str:
        return self.key if self.entity is None else f"{self.entity}.{self.key}"


@dataclass(frozen=True, slots=True)
class Clause:
    """A comparison; ``at`` counts the characters before its value, or before its operator."""

    name: Name
    operator: Operator
    value: Value
    at: int


@dataclass(frozen=True, slots=True)
class Every:
    """Parts that must all match; without parts, everything matches."""

    parts: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Parts one of which must match."""

    parts: tuple["Tree", ...]


Tree = Clause | Every | Either
EVERYTHING = Every(())


def clauses(tree: Tree) -> Iterator[Clause]:
    """Yield the clauses of a tree in the order of the text."""
    if isinstance(tree, Clause):
        yield tree
        return
    for part in tree.parts:
        yield from clauses(part)
