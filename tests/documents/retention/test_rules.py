"""Retention rules: periods, expiry, and events that are too old."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.documents.retention.rules import PredictionExpired, Rules
from service.stores.mongo.client import Document, now
from tests.documents.retention.retention_service import DAY, uuid7_ago

RULES = Rules.of(
    [
        {"model": "fraud", "model_version": None, "days": 30},
        {"model": "fraud", "model_version": "3", "days": 7},
        {"model": "churn", "model_version": "1", "days": 400},
        {"model": "removed", "model_version": None, "days": None},
    ],
    90,
)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "version", "days"),
    [("fraud", "3", 7), ("fraud", "4", 30), ("churn", "1", 400), ("churn", "2", 90),
     ("removed", "1", 90), ("other", "3", 90), ("frau", "d3", 90)],
)  # fmt: skip
def test_period_more_specific_rule_wins(model: str, version: str, days: int) -> None:
    assert RULES.period(model, version) == days * DAY


def test_rules_without_a_default_are_unlimited() -> None:
    rules = Rules.of([{"model": "fraud", "model_version": None, "days": 1}], None)
    assert rules.longest is None
    assert rules.expiry_violation(uuid7_ago(days=9999), "churn", "1", NOON) is None
    assert "expires_at" not in rules.with_expiry(_prediction(model="churn"))
    assert not rules.has_expired(uuid7_ago(days=9999))


@pytest.mark.parametrize("hours", [-5, 0, 5, 24 * 365 * 100])
def test_with_expiry_counts_from_timestamp_or_receipt(hours: int) -> None:
    document = _prediction(timestamp=NOON + timedelta(hours=hours), received_at=NOON)
    assert (
        RULES.with_expiry(document)["expires_at"] == NOON + timedelta(hours=min(hours, 0)) + 7 * DAY
    )


def _prediction(**fields: Any) -> Document:
    return {"model": "fraud", "version": "3", "timestamp": NOON, "received_at": NOON, **fields}


@pytest.mark.parametrize(
    ("prediction_id", "age", "pointer"),
    [
        (uuid4(), 6.99, None),
        (uuid4(), 7, "/timestamp"),
        (uuid7_ago(days=6.9), 6.9, None),
        (uuid7_ago(days=7.01), 0, "/prediction_id"),
        (uuid7_ago(days=7.01), -900, "/prediction_id"),
        (uuid7_ago(days=0), 8, "/timestamp"),
        (UUID("ffffffff-ffff-7fff-bfff-ffffffffffff"), 0, None),
        (UUID("00000000-0000-7000-8000-000000000000"), 0, "/prediction_id"),
        (UUID("00000000-0000-1000-8000-000000000000"), 0, None),
        (UUID("00000000-0000-7000-0000-000000000000"), 0, None),
    ],
)
def test_expiry_violation_by_timestamp_or_id(
    prediction_id: UUID, age: float, pointer: str | None
) -> None:
    violation = RULES.expiry_violation(prediction_id, "fraud", "3", now() - age * DAY)
    assert (violation and (violation["pointer"], violation["code"])) == (
        pointer and (pointer, "event_expired")
    )


def test_has_expired_only_by_the_longest_rule() -> None:
    assert RULES.longest == 400 * DAY
    assert not RULES.has_expired(uuid7_ago(days=399))
    assert RULES.has_expired(uuid7_ago(days=401))
    assert not RULES.has_expired(uuid4())


def test_label_expiry_is_that_of_its_prediction() -> None:
    soon = now() + DAY
    assert RULES.label_expiry(uuid4(), {"expires_at": soon}) == soon
    assert RULES.label_expiry(uuid7_ago(days=9999), {}) is None
    pending = RULES.label_expiry(uuid4(), None)
    assert pending is not None
    assert abs(pending - (now() + 400 * DAY)) < timedelta(minutes=1)
    for prediction_id, stored in ((uuid7_ago(days=401), None), (uuid4(), {"expires_at": now()})):
        with pytest.raises(PredictionExpired):
            RULES.label_expiry(prediction_id, stored)


def test_longest_without_rules_is_the_default() -> None:
    assert Rules.of([], 5).longest == 5 * DAY
