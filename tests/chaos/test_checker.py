"""The checker reports each kind of difference, and nothing else."""

import pytest

from tests.chaos.checker import compare
from tests.chaos.client import Answer, Call, mistakes
from tests.chaos.records import Broken, Record, RecordLog
from tests.chaos.stored import Rows

SENT = [Record("items", "a", "1"), Record("items", "b", "2"), Record("items", "c", "3")]
ACKNOWLEDGED = SENT[:2]
REVISIONS = [Record("revisions", "a", str(revision)) for revision in (8, 9, 10, 11)]


def broken_by(sent: list[Record], acknowledged: list[Record], rows: Rows) -> dict[str, int]:
    broken = Broken()
    compare(sent, acknowledged, {sent[0].kind: rows}, broken)
    return dict(broken.counts)


@pytest.mark.parametrize(
    ("stored", "reported"),
    [
        ([("a", "1"), ("b", "2")], {}),
        ([("a", "1"), ("b", "2"), ("c", "3")], {}),
        ([("a", "1"), ("c", "3")], {"lost": 1}),
        ([("a", "1"), ("b", "2"), ("b", "2")], {"twice": 1}),
        ([("a", "1"), ("b", "3")], {"changed": 1}),
        ([("a", "1"), ("b", "2"), ("d", "4")], {"unsent": 1}),
    ],
)
def test_checker_reports_each_difference(stored: Rows, reported: dict[str, int]) -> None:
    assert broken_by(SENT, ACKNOWLEDGED, stored) == reported


@pytest.mark.parametrize(
    ("stored", "reported"), [("10", {}), ("11", {}), ("9", {"changed": 1}), ("12", {"changed": 1})]
)
def test_checker_accepts_the_acknowledged_revision_or_a_later_one(
    stored: str, reported: dict[str, int]
) -> None:
    assert broken_by(REVISIONS, REVISIONS[:3], [("a", stored)]) == reported


def test_log_returns_what_was_written(tmp_path_factory: pytest.TempPathFactory) -> None:
    log = RecordLog(tmp_path_factory.mktemp("log"))
    log.send(SENT)
    log.acknowledge(ACKNOWLEDGED)
    assert (list(log.sent), list(log.acknowledged)) == (SENT, ACKNOWLEDGED)
    assert log.counts == {"items": 2}
    log.close()


PROBLEM = {"content-type": "application/problem+json"}


@pytest.mark.parametrize(
    ("status", "code", "headers", "count"),
    [
        (201, "", {}, 0),
        (503, "unavailable", {**PROBLEM, "retry-after": "1"}, 0),
        (409, "not_enough_stock", PROBLEM, 0),
        (409, "conflict", PROBLEM, 1),
        (404, "item_not_found", PROBLEM, 1),
        (500, "internal_error", PROBLEM, 1),
        (503, "unavailable", PROBLEM, 1),
        (504, "query_timeout", PROBLEM, 0),
        (503, "", {"content-type": "text/plain"}, 2),
    ],
)
def test_client_accepts_expected_refusals_alone(
    status: int, code: str, headers: dict[str, str], count: int
) -> None:
    call = Call("postgresql", "POST", "/v1/orders", refusals=frozenset({"not_enough_stock"}))
    assert len(mistakes(call, Answer(status, code, "", 0.0), headers)) == count
