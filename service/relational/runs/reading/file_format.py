"""Files of runs: one row for each, with a column for each key that one of them has."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from service.core.csv import escape_formula, write_csv
from service.relational.runs.reading.schemas import STATISTICS

OWN_COLUMNS = (
    "id", "experiment_id", "name", "user_name", "status", "started_at", "ended_at", "deleted_at",
)  # fmt: skip
LATEST = "metrics"


class Column(NamedTuple):
    """A column: a field of the run, or a key of its params, tags or metrics.

    ``part`` is ``params``, ``tags``, ``metrics`` or a statistic of the metric, None for a field.
    """

    part: str | None
    key: str

    @property
    def name(self) -> str:
        return self.key if self.part is None else f"{self.part}.{self.key}"

    @property
    def is_number(self) -> bool:
        return self.part == LATEST or self.part in STATISTICS

    def value(self, run: Mapping[str, Any]) -> Any:
        """Return the value of a run's JSON; None if it has none."""
        if self.part is None:
            return run[self.key]
        if not self.is_number:
            return run[self.part].get(self.key)
        metric = run["metrics"].get(self.key, {})
        return metric.get("value" if self.part == LATEST else self.part)


def columns_of(
    params: Iterable[str], tags: Iterable[str], metrics: Iterable[str], *, statistics: bool
) -> list[Column]:
    """Return the columns of a file: fields, params, metrics, tags."""
    parts = (LATEST, *(STATISTICS if statistics else ()))
    return [
        *(Column(None, name) for name in OWN_COLUMNS),
        *(Column("params", key) for key in params),
        *(Column(part, key) for key in metrics for part in parts),
        *(Column("tags", key) for key in tags),
    ]


class RunWriter(Protocol):
    """Writes the bytes of a file: its beginning, pages of runs, its end."""

    media_type: str

    def begin(self) -> bytes: ...

    def page(self, runs: Sequence[Mapping[str, Any]]) -> bytes: ...

    def end(self) -> bytes: ...


class CsvRuns:
    """CSV of RFC 4180: missing values are empty; NaN and infinities are words."""

    media_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        return write_csv([[column.name for column in self._columns]])

    def page(self, runs: Sequence[Mapping[str, Any]]) -> bytes:
        return write_csv([_cell(column, run) for column in self._columns] for run in runs)

    def end(self) -> bytes:
        return b""


def _cell(column: Column, run: Mapping[str, Any]) -> Any:
    value = column.value(run)
    if value is None:
        return ""
    return value if column.is_number else escape_formula(value)
