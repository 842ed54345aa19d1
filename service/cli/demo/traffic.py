"""Two days of predictions of a model, and their labels, the same in each run.

``penguins.csv`` holds measurements of penguins near Palmer Station, Antarctica (Horst, Hill and
Gorman, 2020: palmerpenguins, https://doi.org/10.5281/zenodo.3960218; CC0). The model predicts the
sex: 1 is male. On the second day the scale shows too much, so that the features drift.
"""

import csv
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID, uuid5

MODEL, VERSION = "penguin-sex", "1"
PREDICTIONS = 2000
BEGIN, DURATION = datetime(2026, 1, 5, tzinfo=UTC), timedelta(days=2)
_NAMESPACE = UUID("5c3a9c1e-64f5-4b0e-9b53-0b7d8a0e2f11")
_SEED = 20260105
# A logistic regression on the rows that have a sex; it is right about 91 % of them.
_WEIGHTS = {
    "bill_length_mm": 0.18909,
    "bill_depth_mm": 1.1158,
    "flipper_length_mm": 0.01933,
    "body_mass_g": 0.00254,
}
_BIAS = {"Adelie": -41.022, "Chinstrap": -42.765, "Gentoo": -42.507}
_SCALE_DRIFT = 1.06
_SHARE_FAILED, _SHARE_LABELLED, _SHARE_REVISED = 0.005, 0.9, 0.02


def make_traffic() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the events and the labels, as the batch intakes take them.

    Only ``random()`` is drawn from the generator: Python promises its sequence for every release.
    """
    draw = random.Random(_SEED).random  # noqa: S311 - no secret
    penguins = _read_penguins()
    events, labels = list[dict[str, Any]](), list[dict[str, Any]]()
    for number in range(PREDICTIONS):
        penguin = penguins[int(draw() * len(penguins))]
        event = _event(number, penguin, [draw() for _ in range(7)])
        events.append(event)
        labels += _labels(event, penguin["sex"], [draw() for _ in range(3)])
    return events, labels


def _read_penguins() -> list[dict[str, str]]:
    """Return the rows with all measurements."""
    text = files(__package__).joinpath("penguins.csv").read_text("utf-8")
    return [row for row in csv.DictReader(text.splitlines()) if row["body_mass_g"] != "NA"]


def _event(number: int, penguin: dict[str, str], draws: list[float]) -> dict[str, Any]:
    """Return a prediction; each draw is from 0 to 1."""
    moment = BEGIN + DURATION * ((number + draws[0]) / PREDICTIONS)
    features: dict[str, Any] = {
        name: round(float(penguin[name]) * (0.99 + 0.02 * error), 1)
        for name, error in zip(_WEIGHTS, draws[1:5], strict=True)
    }
    if moment >= BEGIN + DURATION / 2:
        features["body_mass_g"] = round(features["body_mass_g"] * _SCALE_DRIFT, 1)
    event = {
        "prediction_id": str(uuid5(_NAMESPACE, f"{number}")),
        "timestamp": moment.isoformat(timespec="milliseconds"),
        "model": MODEL,
        "version": VERSION,
        "features": {**features, "species": penguin["species"], "island": penguin["island"]},
        "latency_ms": round(3 - 6 * math.log(1 - draws[5]), 3),
        "tags": {"station": penguin["island"]},
    }
    if draws[6] < _SHARE_FAILED:
        error = {"type": "ScaleOffline", "message": "The scale did not respond."}
        return {**event, "status": "error", "error": error}
    score = _score(features, penguin["species"])
    return {**event, "output": {"label": int(score > 0.5), "score": score}}


def _score(features: dict[str, Any], species: str) -> float:
    """Return the probability of a male."""
    logit = _BIAS[species] + sum(_WEIGHTS[name] * features[name] for name in _WEIGHTS)
    return round(1 / (1 + math.exp(-logit)), 6)


def _labels(event: dict[str, Any], sex: str, draws: list[float]) -> Iterator[dict[str, Any]]:
    """Yield the label of most predictions, hours later; a few were wrong at first."""
    if sex == "NA" or "output" not in event or draws[0] >= _SHARE_LABELLED:
        return
    label = int(sex == "male")
    observed_at = datetime.fromisoformat(event["timestamp"]) + timedelta(hours=1 + 19 * draws[1])
    if draws[2] < _SHARE_REVISED:
        yield _label(event, 1 - label, observed_at - timedelta(minutes=30), "in the field")
    yield _label(event, label, observed_at, "blood sample")


def _label(event: dict[str, Any], label: int, observed_at: datetime, source: str) -> dict[str, Any]:
    return {
        "prediction_id": event["prediction_id"],
        "label": label,
        "observed_at": observed_at.isoformat(timespec="milliseconds"),
        "source": source,
    }
