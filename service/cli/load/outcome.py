"""The outcome of a load: counts, and the rows that are not stored with their reasons."""

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from service.cli.load.sender import Part, Rejection, Result
from service.cli.output import CommandFailed

SHOWN = 20
EVENT_COUNTS = ("created", "duplicates", "conflicts", "rejected")
LABEL_COUNTS = ("labelled", "revised", "unchanged", "rejected")


class Outcome:
    """The sum of all results. ``settled`` is the number of the last row that was dealt with.

    ``keep`` is a file for all rejections, one JSON object per line, None for none.

    Raises:
        CommandFailed: this file cannot be written.
    """

    def __init__(self, keep: Path | None) -> None:
        self.events, self.labels = Counter[str](), Counter[str]()
        self.shown: list[Rejection] = []
        self.settled = 0
        self.failure: str | None = None
        self._file: IO[str] | None = None
        if keep is not None:
            try:
                self._file = keep.open("w", encoding="utf-8")
            except OSError as error:
                raise CommandFailed(f"{keep} cannot be written: {error.strerror}.") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: object, _trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, part: Part, result: Result) -> None:
        """Count the result of the next part."""
        self.events.update(result.events)
        self.labels.update(result.labels)
        self.shown.extend(result.rejections[: SHOWN - len(self.shown)])
        if self._file is not None:
            for rejection in result.rejections:
                self._file.write(json.dumps(_as_object(rejection)) + "\n")
        self.failure = result.failure
        if result.failure is None:
            self.settled = part.last.number

    @property
    def is_clean(self) -> bool:
        """Return whether every row and every label is stored."""
        return not any((self.events["conflicts"], self.events["rejected"], self.labels["rejected"]))

    def as_json(self) -> dict[str, Any]:
        """Return the counts, and the first rejections."""
        return {
            "rows": sum(self.events.values()),
            **{name: self.events[name] for name in EVENT_COUNTS},
            "labels": {name: self.labels[name] for name in LABEL_COUNTS},
            "rejections": [_as_object(rejection, with_row=False) for rejection in self.shown],
        }

    def as_lines(self) -> list[str]:
        """Return a table for people."""
        rows = sum(self.events.values())
        lines = [f"{'rows':<11}{rows:>12,}"]
        lines += [f"{name:<11}{self.events[name]:>12,}" for name in EVENT_COUNTS]
        if self.labels.total():
            labels = ", ".join(f"{self.labels[name]:,} {name}" for name in LABEL_COUNTS)
            lines.append(f"labels      {labels}")
        lines += map(_as_line, self.shown)
        left = self.events["conflicts"] + self.events["rejected"] + self.labels["rejected"]
        if left > len(self.shown):
            lines.append(f"… and {left - len(self.shown):,} more; --rejected FILE.ndjson keeps all")
        return lines


def _as_object(rejection: Rejection, *, with_row: bool = True) -> dict[str, Any]:
    row = rejection.row
    place = {"row": row.number} if row.line is None else {"row": row.number, "line": row.line}
    result = {**place, "code": rejection.code, "errors": rejection.errors}
    return {**result, "values": row.values} if with_row else result


def _as_line(rejection: Rejection) -> str:
    row = rejection.row
    place = f"row {row.number}" if row.line is None else f"line {row.line}"
    if rejection.code == "conflict":
        return f"{place}  conflict: another event has this prediction_id"
    reasons = "; ".join(
        f"{error['pointer']} {error['detail']}".strip() for error in rejection.errors
    )
    return f"{place}  {rejection.code}: {reasons}"
