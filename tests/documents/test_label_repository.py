"""Merging of labels without HTTP, each test in memory and in a real mongod."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from service.documents.predictions.documents import FEEDBACK
from service.documents.predictions.labels import repository as labels_repository
from service.documents.predictions.labels.history import merge
from service.documents.predictions.labels.repository import LabelRepository, LabelUpdate
from service.documents.predictions.reading.feedback import to_document
from service.stores.mongo.client import Database, Document
from tests.fixtures.databases import make_context

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=UTC)


class _Store:
    """Runs calls without a slot and a deadline."""

    async def call(self, work: Callable[[], Awaitable[T]], **_options: bool) -> T:
        return await work()


@pytest.fixture
def labels(database: Database, monkeypatch: pytest.MonkeyPatch) -> LabelRepository:
    """Reads histories whole, because mongomock has no expressions in projections."""
    monkeypatch.setattr(labels_repository, "_HISTORY", 1)
    return _labels(database)


def _labels(database: Database) -> LabelRepository:
    return LabelRepository(make_context(database, mongo=_Store(), retention=None))


def _observation(label: Any, day: int = 0) -> Document:
    return {
        "label": label,
        "observed_at": START + timedelta(days=day),
        "source": "lab",
        "received_at": START + timedelta(days=9),
    }


async def test_apply_reports_each_change_and_stores_the_merged_history(
    labels: LabelRepository, database: Database
) -> None:
    new, known = uuid4(), uuid4()
    await labels.apply({known: LabelUpdate([_observation(0)])})
    expires_at = START + timedelta(days=30)
    observations = [_observation(0), _observation(1, day=1), _observation(True, day=-1)]
    updates = {key: LabelUpdate(observations, expires_at) for key in (new, known)}
    assert await labels.apply(updates) == {
        new: ["labelled", "revised", "unchanged"],
        known: ["unchanged", "revised", "unchanged"],
    }
    history, _ = merge([], observations)
    for key in (new, known):
        stored = await database[FEEDBACK].find_one({"_id": key})
        assert stored == {**to_document(key, history), "expires_at": expires_at}
    assert await labels.apply(updates) == {key: ["unchanged"] * 3 for key in (new, known)}


@pytest.mark.parametrize("is_stored", [False, True], ids=["insert", "replace"])
async def test_apply_history_changed_after_the_read_is_merged_again(
    labels: LabelRepository,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_stored: bool,
) -> None:
    overtaken, other = uuid4(), uuid4()
    if is_stored:
        await labels.apply({overtaken: LabelUpdate([_observation("first", day=-9)])})
    read, reads = labels._histories, 0

    async def read_and_overtake(ids: Iterable[UUID]) -> Any:
        nonlocal reads
        reads += 1
        stored = await read(ids)
        if reads == 1:
            update = LabelUpdate([_observation("later", day=5)])
            await _labels(database).apply({overtaken: update})
        return stored

    monkeypatch.setattr(labels, "_histories", read_and_overtake)
    monkeypatch.setattr(labels_repository, "MAX_LEFT_FOR_SINGLE", 0)
    update = LabelUpdate([_observation("own")])
    assert await labels.apply({overtaken: update, other: update}) == {
        overtaken: ["unchanged"],
        other: ["labelled"],
    }
    assert reads == 2
    stored = await database[FEEDBACK].find_one({"_id": overtaken})
    assert stored is not None
    first = ["first"] if is_stored else []
    assert [item["label"] for item in stored["history"]] == [*first, "own", "later"]
    assert stored["latest"]["label"] == "later"


async def test_calls_of_a_batch_share_one_deadline(
    labels: LabelRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call takes a second of a clock that nothing else moves."""
    clock, spent = [100.0], []

    async def call(work: Callable[[], Awaitable[T]], **options: float) -> T:
        spent.append(options["spent"])
        clock[0] += 1
        return await work()

    monkeypatch.setattr(labels_repository, "monotonic", lambda: clock[0])
    monkeypatch.setattr(labels._store, "call", call)
    prediction_id = uuid4()
    await labels.find_predictions([prediction_id])
    await labels.adopt_early({prediction_id: {"model": "m"}})
    await labels.apply({prediction_id: LabelUpdate([_observation(1)])})
    assert spent == [0, 1, 2, 3]
