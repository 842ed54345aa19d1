"""The values that are read, compared and reported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Problem = Literal["missing", "changed", "extra", "invalid", "disabled"]
# "ahead": the database is at a revision that this code does not know.
Status = Literal["same", "differs", "behind", "ahead"]
SHOWN_CHARACTERS = 100


class Key(NamedTuple):
    """The identity of an object within the schema; names are quoted as SQL needs them."""

    group: str  # relation, column, constraint, index, … (see catalog.py)
    table: str  # the relation that the object is on; "" if it is on none
    name: str


class CatalogObject(NamedTuple):
    """A row of a query in table_queries.py or schema_queries.py."""

    key: Key
    owner: str
    extension: str | None  # the extension that it belongs to
    values: Mapping[str, str]  # the other columns; compare.py lists those that are compared

    @property
    def kind(self) -> str:
        """The term for people, such as ``view`` for a relation."""
        return self.values.get("kind", self.key.group)


class Foreign(NamedTuple):
    """An object of an extension, or one that no migration made."""

    kind: str
    name: str
    owner: str
    extension: str | None

    def __str__(self) -> str:
        owner = f"extension {self.extension}" if self.extension else f"owner {self.owner}"
        return f"not from migrations: {self.kind} {self.name} ({owner})"


class Catalog(NamedTuple):
    """The objects of one schema in the order in which they can be created, and the rest."""

    objects: Mapping[Key, CatalogObject]
    others: tuple[Foreign, ...]  # extensions, other schemas, event triggers

    def on_table(self, table: str) -> list[CatalogObject]:
        """Return the columns, constraints and so on of a relation."""
        return [item for key, item in self.objects.items() if key.table == table]


@dataclass(frozen=True)
class Difference:
    """A difference of the database from the schema that the migrations make."""

    kind: str
    table: str | None
    name: str
    problem: Problem
    property: str | None  # such as ``type``; None if the object is missing or extra
    expected: str | None
    actual: str | None
    remedy: tuple[str, ...]  # statements, to be executed one by one

    def __str__(self) -> str:
        dotted = self.kind == "column"
        name = f"{self.table}.{self.name}" if dotted else self.name
        on = f" on {self.table}" if self.table and not dotted else ""
        aspect = f", {self.property.replace('_', ' ')}" if self.property else ""
        values = [
            f"{label} {_excerpt(value, other or '')}"
            for label, value, other in (
                ("expected", self.expected, self.actual),
                ("found", self.actual, self.expected),
            )
            if value is not None
        ]
        return f"{self.problem} {self.kind} {name}{on}{aspect}: {'; '.join(values)}"


@dataclass(frozen=True)
class SchemaReport:
    """The result of a comparison; ``drift`` is from the schema at the database's own revision."""

    head: str | None  # the database's revision
    expected: str  # this code's revision
    status: Status
    drift: tuple[Difference, ...] = ()
    foreign: tuple[Foreign, ...] = ()


def _excerpt(value: str, other: str) -> str:
    """Return the value on one line, or the part of it where it begins to differ from the other."""
    line, other_line = " ".join(value.split()), " ".join(other.split())
    if len(line) <= SHOWN_CHARACTERS:
        return line or "none"
    pairs = enumerate(zip(line, other_line, strict=False))
    common = next((position for position, (a, b) in pairs if a != b), len(other_line))
    start = max(0, min(common - 20, len(line) - SHOWN_CHARACTERS))
    end = start + SHOWN_CHARACTERS
    return f"{'…' if start else ''}{line[start:end]}{'…' if end < len(line) else ''}"
