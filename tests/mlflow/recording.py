"""The recording of the session, and how another result of it differs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

RECORDING = Path(__file__).with_name("recorded.json")


class Step(NamedTuple):
    area: str
    step: str
    value: Any


def recorded() -> list[Step]:
    """Return what each step must return: the recorded value, or what is right instead of it."""
    rows = json.loads(RECORDING.read_text("utf-8"))
    return [Step(row["area"], row["step"], row.get("right", row["value"])) for row in rows]


def read(path: Path) -> list[Step]:
    """Return what the session wrote."""
    rows = json.loads(path.read_text("utf-8"))
    return [Step(row["area"], row["step"], row["value"]) for row in rows]


def differences(expected: Any, found: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each place where two JSON values differ."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            yield from differences(expected.get(key), found.get(key), f"{place}[{key!r}]")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{place}[{index}]")
    elif expected != found or isinstance(expected, bool) != isinstance(found, bool):
        yield f"{place or 'value'}: expected {_short(expected)}, got {_short(found)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}…"
