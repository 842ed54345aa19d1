"""Ids, times and places of artifacts, which differ from run to run, get names that do not.

Ids become names in the order in which they appear in a step: ``run-1``. Times of the session become
"now". Names of the session lose their prefix, and long repetitions become "x*250".
"""

import re
import time
from typing import Any

ID_KEYS = {
    "experiment_id": "experiment", "run_id": "run", "source_run_id": "run", "model_id": "model",
}  # fmt: skip
LONG_IDS = re.compile(r"m-[0-9a-f]{32}|[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME_KEYS = re.compile(r"(_time|_timestamp|timestamp|_timestamp_ms)$")
INVENTED = re.compile(r"[a-z]+-[a-z]+-\d+$")
REPETITION = re.compile(r"(.)\1{19,}")
CLOCK_SKEW_MS = 5000


class Normaliser:
    """One session's names and times, and one step's ids."""

    def __init__(self, prefix: str, began_ms: float) -> None:
        self._prefix, self._began = prefix, began_ms
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def step(self, value: Any) -> Any:
        """Return the value of a step without what differs from run to run."""
        self._names, self._counts = {}, {}
        return self.normalise(value)

    def normalise(self, value: Any, key: str = "") -> Any:
        """Return a part of a step's value; the keys of objects become sorted text."""
        if isinstance(value, dict):
            return {
                self._text(str(k)): self.normalise(value[k], str(k)) for k in sorted(value, key=str)
            }
        if isinstance(value, list | tuple):
            return [self.normalise(item, key) for item in value]
        if TIME_KEYS.search(key) and isinstance(value, int):
            return self._time(value)
        if isinstance(value, str):
            return self._named(value, key)
        return _number(value)

    def _named(self, value: str, key: str) -> str:
        if key in ID_KEYS and value:
            return self._id(value, ID_KEYS[key])
        if key in {"artifact_location", "artifact_uri"}:
            return self._place(value)
        if key == "run_name" and INVENTED.match(value):
            return "invented-name-1"
        return self._text(value)

    def _time(self, value: int) -> int | str:
        soon = time.time() * 1000 + CLOCK_SKEW_MS
        return "now" if self._began - CLOCK_SKEW_MS <= value <= soon else value

    def _id(self, value: str, kind: str) -> str:
        if value not in self._names:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._names[value] = f"{kind}-{self._counts[kind]}"
        return self._names[value]

    def _place(self, value: str) -> str:
        """Keep the scheme and, of what the server chose, only how it ends."""
        if not value.startswith("mlflow-artifacts:"):
            return self._text(value)
        ending = re.search(r"(/models)?/(m-)?[0-9a-f-]{32,36}/artifacts$", value)
        return "mlflow-artifacts:…" + (self._text(ending[0]) if ending else "")

    def _text(self, value: str) -> str:
        value = REPETITION.sub(lambda found: f"{found[1]}*{len(found[0])}", value)
        value = value.replace(self._prefix, "S")
        return LONG_IDS.sub(lambda found: self._known(found[0]), value)

    def _known(self, value: str) -> str:
        if value in self._names:
            return self._names[value]
        return self._id(value, "model" if value.startswith("m-") else "run")


def _number(value: Any) -> Any:
    """JSON has no NaN and no infinities; whole numbers differ from floats nowhere here."""
    return str(value) if isinstance(value, float) and value - value != 0 else value
