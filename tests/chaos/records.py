"""The log of what clients sent and what was acknowledged to them, and the promises that broke."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MOST_EXAMPLES = 20
log = logging.getLogger(__name__)


class Record(NamedTuple):
    """One effect: its kind, a text that no other effect has, and what must be stored."""

    kind: str
    marker: str
    content: str


class RecordLog:
    """Two files of records: ``sent.log`` before a request, ``acked.log`` after its 2xx."""

    def __init__(self, folder: Path) -> None:
        self._sent = (folder / "sent.log").open("w+", buffering=1)
        self._acked = (folder / "acked.log").open("w+", buffering=1)
        self.counts: Counter[str] = Counter()

    def send(self, records: Iterable[Record]) -> None:
        self._sent.writelines(json.dumps(record) + "\n" for record in records)

    def acknowledge(self, records: Iterable[Record]) -> None:
        for record in records:
            self._acked.write(json.dumps(record) + "\n")
            self.counts[record.kind] += 1

    @property
    def sent(self) -> Iterator[Record]:
        return _read(self._sent.name)

    @property
    def acknowledged(self) -> Iterator[Record]:
        return _read(self._acked.name)

    def close(self) -> None:
        self._sent.close()
        self._acked.close()


def _read(path: str) -> Iterator[Record]:
    with Path(path).open() as lines:
        for line in lines:
            yield Record(*json.loads(line))


class Broken:
    """The promises that were broken: how often, and the first few examples of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.during = "set-up"  # the fault that runs

    def add(self, promise: str, example: str) -> None:
        self.counts[promise] += 1
        known = self.examples.setdefault(promise, [])
        if len(known) < MOST_EXAMPLES:
            known.append(f"{self.during}: {example}")
            log.warning("%s: %s: %s", self.during, promise, example)

    def report(self) -> list[dict[str, object]]:
        """Return one object per broken promise."""
        return [
            {"promise": promise, "times": times, "examples": self.examples[promise]}
            for promise, times in self.counts.items()
        ]
