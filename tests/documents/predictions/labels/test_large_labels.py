"""Large labels cost little: one that is refused is hardly read, one that is read is not parsed."""

import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from service.documents.predictions import label_values
from service.documents.predictions.labels.schemas import FeedbackWrite
from service.documents.predictions.reading.encoding import encode_json, feedback_to_dict

NOW = datetime(2026, 1, 6, tzinfo=UTC)
LARGE = [0, 1.5] * 10_000


def _to_stored(label: Any) -> Any:
    feedback = FeedbackWrite.model_validate({"label": label, "observed_at": "2026-01-06T00:00Z"})
    return feedback.to_observation(NOW)["label"]


def _count_writing(patch: pytest.MonkeyPatch) -> list[Any]:
    """Return the list that will contain each label of which the JSON was made."""
    written: list[Any] = []
    write = label_values._canonical_json

    def count(label: Any) -> str:
        written.append(label)
        return write(label)

    patch.setattr(label_values, "_canonical_json", count)
    return written


def test_label_accepted_is_written_as_json_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written = _count_writing(monkeypatch)
    assert json.loads(_to_stored(LARGE)["json"]) == LARGE
    assert len(written) == 1


@pytest.mark.parametrize(
    "label",
    [
        [0] * 32_768,
        [[] for _ in range(30_000)],
        {"a": ["x" * 65_530]},
        {str(key): 0 for key in range(10_000)},
        {"x" * 65_536: 0},
        [1e-300] * 15_000,
        "x" * 65_537,
    ],
)
def test_label_far_too_large_is_refused_before_its_json(
    monkeypatch: pytest.MonkeyPatch, label: Any
) -> None:
    written = _count_writing(monkeypatch)
    with pytest.raises(ValidationError, match="65536 bytes"):
        _to_stored(label)
    assert not written


@pytest.mark.parametrize(
    "label",
    [
        [0] * 32_767,
        "x" * 65_534,
        "\x01" * 10_922,
        ["x" * 65_532],
        {"x" * 65_530: 0},
        [1.0] * 32_767,
        ["\u00fc" * 32_766],
        [None] * 13_107,
    ],
)
def test_label_of_the_limit_is_accepted_and_one_longer_is_refused(label: Any) -> None:
    _to_stored(label)
    longer: Any = {**label, "": 0} if isinstance(label, dict) else label + label[:1]
    with pytest.raises(ValidationError, match="65536 bytes"):
        _to_stored(longer)


def test_feedback_of_large_labels_is_shown_without_parsing_them() -> None:
    step = {"label": _to_stored(LARGE), "observed_at": NOW, "source": "lab", "received_at": NOW}
    history = [{**step, "source": str(number)} for number in range(10)]
    document = {"_id": uuid4(), "history": history, "latest": history[-1], "version": 10}
    began = time.thread_time()
    shown = encode_json(feedback_to_dict(document, pending=False))
    written = time.thread_time()
    feedback = json.loads(shown)
    parsed = time.thread_time()
    assert [item["label"] for item in feedback["history"]] == [LARGE] * 10
    assert written - began < (parsed - written) / 4
