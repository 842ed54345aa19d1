"""The base of repositories: get, put, change, remove, and the caller's own documents."""

import asyncio
from datetime import datetime
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest
from bson.decimal128 import Decimal128
from uuid_utils.compat import uuid7

from service.auth.caller import ANONYMOUS, Caller
from service.core.errors import Collision, PreconditionFailed
from service.stores.mongo.client import Database, now
from tests.fixtures.databases import make_context
from tests.stores.mongo.cups import CUPS, CupNotFound, CupQuery, CupRead, CupRepository


@pytest.fixture
def cups(database: Database) -> CupRepository:
    return CupRepository(make_context(database))


async def test_change_increments_the_version_and_sets_updated_at(cups: CupRepository) -> None:
    before = now()
    changed = await cups.change(await cups.add(full=False), None, full=True)
    assert (changed["full"], changed["version"]) == (True, 2)
    assert isinstance(changed["updated_at"], datetime)
    assert changed["updated_at"] >= before


async def test_change_of_nothing_counts_no_version(cups: CupRepository, database: Database) -> None:
    cup_id = await cups.add(full=False)
    stored = await database[CUPS].find_one({"_id": cup_id})
    for expected in (None, frozenset({1})):
        assert await cups.change(cup_id, expected) == stored
    with pytest.raises(PreconditionFailed):
        await cups.change(cup_id, frozenset({2}))
    with pytest.raises(CupNotFound):
        await cups.change(uuid7(), None)
    assert await database[CUPS].find_one({"_id": cup_id}) == stored


async def test_read_document_without_new_fields_gives_default_or_none(cups: CupRepository) -> None:
    cup = await cups.get(await cups.add(size=3))
    assert (cup.size, cup.price, cup.colour) == (3, None, "white")


async def test_read_document_with_bson_decimal_gives_decimal(cups: CupRepository) -> None:
    cup = await cups.get(await cups.add(price=Decimal128("2.50")))
    assert cup.price == Decimal("2.50")


async def test_change_missing_document_is_not_found(cups: CupRepository) -> None:
    for expected in (None, frozenset({1})):
        with pytest.raises(CupNotFound):
            await cups.change(uuid7(), expected, full=True)


async def test_change_other_version_is_a_failed_precondition(cups: CupRepository) -> None:
    cup_id = await cups.add()
    for expected in (frozenset({2}), frozenset[int]()):
        with pytest.raises(PreconditionFailed):
            await cups.change(cup_id, expected, full=True)
    assert (await cups.change(cup_id, frozenset({1, 7}), full=True))["version"] == 2


@pytest.mark.parametrize("losses", [1, 100])
async def test_change_that_lost_a_race_is_tried_again(
    cups: CupRepository, monkeypatch: pytest.MonkeyPatch, losses: int
) -> None:
    """The document is hidden from the first writes, as if it were restored right after each."""
    cup_id, left = await cups.add(full=False), [None] * losses
    write = cups._documents.find_one_and_update

    async def lose(*arguments: Any, **options: Any) -> Any:
        return left.pop() if left else await write(*arguments, **options)

    monkeypatch.setattr(cups, "_documents", Mock(wraps=cups._documents, find_one_and_update=lose))
    if losses == 1:
        assert (await cups.change(cup_id, None, full=True))["version"] == 2
    else:
        with pytest.raises(Collision):
            await cups.change(cup_id, None, full=True)


@pytest.mark.parametrize("backend", ["mongodb"])
async def test_change_30_concurrent_of_one_version_one_succeeds(cups: CupRepository) -> None:
    cup_id = await cups.add()
    changes = (cups.change(cup_id, frozenset({1}), full=True) for _ in range(30))
    results = await asyncio.gather(*changes, return_exceptions=True)
    assert sum(isinstance(result, PreconditionFailed) for result in results) == 29
    (changed,) = (result for result in results if isinstance(result, dict))
    assert changed["version"] == 2


async def test_remove_hides_the_document_and_keeps_its_version(
    cups: CupRepository, database: Database
) -> None:
    cup_id = await cups.add()
    with pytest.raises(PreconditionFailed):
        await cups.remove(cup_id, frozenset({2}))
    await cups.remove(cup_id, frozenset({1}))
    for _ in range(2):
        with pytest.raises(CupNotFound):
            await cups.get(cup_id)
        with pytest.raises(CupNotFound):
            await cups.remove(cup_id, None)
    stored = await database[CUPS].find_one({"_id": cup_id})
    assert stored is not None
    assert stored["version"] == 2


async def test_put_creates_then_replaces(cups: CupRepository, database: Database) -> None:
    created = await cups.put("a", 1, None)
    replaced = await cups.put("a", 2, frozenset({1}))
    assert (created.size, created.version) == (1, 1)
    assert replaced == CupRead(id=created.id, size=2, price=None, version=2)
    stored = await database[CUPS].find_one({"_id": created.id})
    assert stored is not None
    assert stored["created_at"] <= stored["updated_at"]


async def test_put_missing_document_matches_no_version(
    cups: CupRepository, database: Database
) -> None:
    with pytest.raises(PreconditionFailed):
        await cups.put("a", 1, frozenset({1}))
    assert await database[CUPS].count_documents({}) == 0


async def test_owned_by_caller_hides_documents_of_other_users(database: Database) -> None:
    owner, other = (CupRepository(make_context(database, Caller(uuid7()))) for _ in range(2))
    administrator = CupRepository(make_context(database))
    cup_id = await owner.add()
    cup = await owner.get(cup_id)
    assert cup.id == cup_id
    assert (await administrator.list(CupQuery())).items == [cup]
    assert (await other.list(CupQuery())).items == []
    for attempt in (other.get(cup_id), other.change(cup_id, None), other.remove(cup_id, None)):
        with pytest.raises(CupNotFound):
            await attempt


async def test_owned_by_caller_without_a_user_is_nothing(database: Database) -> None:
    await CupRepository(make_context(database)).add(owner_id=None)
    anonymous = CupRepository(make_context(database, ANONYMOUS))
    assert (await anonymous.list(CupQuery())).items == []
