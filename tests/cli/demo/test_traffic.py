"""The traffic: the same in each run, from data within the package."""

import hashlib
import json
from datetime import datetime

from service.cli.demo.traffic import BEGIN, DURATION, PREDICTIONS, make_traffic

DIGEST = "96035a1123ac4da6"


def test_traffic_is_the_same_on_every_machine() -> None:
    """Otherwise a second run after an upgrade would be refused as a conflict."""
    text = json.dumps(make_traffic(), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == DIGEST


def test_traffic_drifts_fails_and_is_labelled() -> None:
    events, labels = make_traffic()
    assert len({event["prediction_id"] for event in events}) == PREDICTIONS
    times = [datetime.fromisoformat(event["timestamp"]) for event in events]
    assert times == sorted(times)
    assert BEGIN <= times[0] < times[-1] < BEGIN + DURATION
    failed = sum(event.get("status") == "error" for event in events)
    assert 0 < failed < PREDICTIONS / 50
    latest = {label["prediction_id"]: label["label"] for label in labels}
    assert PREDICTIONS * 0.8 < len(latest) < len(labels) < PREDICTIONS
    right, mass = [0, 0], [0.0, 0.0]
    for number, event in enumerate(events):
        day = number // (PREDICTIONS // 2)
        mass[day] += event["features"]["body_mass_g"]
        right[day] += latest.get(event["prediction_id"]) == event.get("output", {}).get("label", "")
    assert 1.03 < mass[1] / mass[0] < 1.09
    assert all(0.7 < count / (PREDICTIONS / 2) < 0.9 for count in right)
