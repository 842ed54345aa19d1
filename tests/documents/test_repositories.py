"""Document repositories without HTTP, each test in memory and in a real mongod."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from service.auth.caller import ANONYMOUS, Caller, ModelForbidden
from service.auth.roles import scopes_of
from service.core.errors import PreconditionFailed
from service.documents.items.documents import ITEMS
from service.documents.items.item_types import (
    ItemTypeNotFound,
    ItemTypeRepository,
    SchemaMismatch,
)
from service.documents.items.repository import (
    MAX_TRIES,
    ItemContended,
    ItemNotFound,
    ItemRepository,
)
from service.documents.items.schemas import (
    ItemCreate,
    ItemQuery,
    ItemRead,
    ItemSearch,
    ItemTypeWrite,
    ItemUpdate,
)
from service.documents.retention.repository import (
    RetentionRepository,
    RuleKey,
    RuleNotFound,
)
from service.documents.retention.schemas import RetentionQuery, RetentionWrite
from service.stores.mongo.client import Database
from service.web.idempotency_key import KeyReused, RequestedKey
from service.web.lists.pagination import Page
from tests.fixtures.databases import make_context

COLOURED = ItemTypeWrite(json_schema={"type": "object", "required": ["colour"]})
KEY = RequestedKey("k", (b"fingerprint",))


class _RuleCache:
    """Counts the refreshes that a repository asks for."""

    def __init__(self) -> None:
        self.refreshes = 0

    def refresh_soon(self) -> None:
        self.refreshes += 1


@pytest.fixture
def items(database: Database) -> ItemRepository:
    return ItemRepository(make_context(database))


@pytest.fixture
def types(database: Database) -> ItemTypeRepository:
    return ItemTypeRepository(make_context(database))


@pytest.fixture
def cache() -> _RuleCache:
    return _RuleCache()


@pytest.fixture
def rules(database: Database, cache: _RuleCache) -> RetentionRepository:
    return RetentionRepository(make_context(database, retention=cache))


async def _list(items: ItemRepository, query: ItemQuery) -> Page[ItemRead]:
    return Page[ItemRead].model_validate_json(bytes((await items.list(query)).body))


async def _search(items: ItemRepository, search: ItemSearch) -> Page[ItemRead]:
    return Page[ItemRead].model_validate_json(bytes((await items.search(search)).body))


async def _add(items: ItemRepository, name: str = "thing", **fields: Any) -> ItemRead:
    item, replayed = await items.add(ItemCreate(name=name, **fields), None)
    assert not replayed
    return item


async def test_item_get_returns_what_add_stored(items: ItemRepository) -> None:
    item = await _add(
        items,
        price=Decimal("249.00"),
        tags=["a", "b"],
        attributes={"colour": "red", "ports": [1, {"usb": None}], "n": 2**63 - 1, "x": 0.5},
    )
    assert await items.get(item.id) == item
    assert (item.version, item.price, item.deleted_at) == (1, Decimal("249.00"), None)
    assert item.created_at == item.updated_at
    assert item.created_at.utcoffset() == datetime.now(UTC).utcoffset()


async def test_item_of_another_owner_is_not_found(database: Database) -> None:
    owner, other = (
        ItemRepository(make_context(database, Caller(uuid7(), scopes_of("member"))))
        for _ in range(2)
    )
    item = await _add(owner)
    assert (await _list(owner, ItemQuery())).items == [item]
    assert (await _list(other, ItemQuery())).items == []
    assert (await _search(other, ItemSearch(where=_condition("name", "eq", "thing")))).items == []
    for attempt in (
        other.get(item.id),
        other.change(item.id, ItemUpdate(name="b"), None),
        other.remove(item.id, None),
        other.restore(item.id),
    ):
        with pytest.raises(ItemNotFound):
            await attempt
    assert await owner.get(item.id) == item


async def test_item_without_an_owner_is_not_found_without_a_user(
    items: ItemRepository, database: Database
) -> None:
    item = await _add(items)
    assert item.owner_id is None
    with pytest.raises(ItemNotFound):
        await ItemRepository(make_context(database, ANONYMOUS)).get(item.id)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({}, "abcd"),
        ({"name": "b"}, "b"),
        ({"type": "other"}, "d"),
        ({"tag": "x"}, "ab"),
        ({"price__gte": "10"}, "bd"),
        ({"price__lte": "10.00"}, "ab"),
        ({"price__gte": "1.01", "price__lte": "99.99", "tag": "x"}, "b"),
        ({"created_at__gte": "2000-01-01T00:00:00Z"}, "abcd"),
        ({"created_at__lt": "2000-01-01T00:00:00Z"}, ""),
        ({"deleted": True}, "e"),
    ],
)
async def test_item_list_filter_finds_its_items(
    items: ItemRepository, query: dict[str, Any], names: str
) -> None:
    await _add_samples(items)
    page = await _list(items, ItemQuery(sort="name", count="exact", **query))
    assert "".join(item.name for item in page.items) == names
    assert page.total == len(names)


async def _add_samples(items: ItemRepository) -> None:
    """Items a to d, which differ in every field, and a deleted one, e."""
    await _add(items, "a", price=Decimal(1), tags=["x"], attributes={"watts": 100})
    await _add(items, "b", price=Decimal(10), tags=["x", "y"], attributes={"watts": 1450.5})
    await _add(items, "c", attributes={"watts": "1450"})
    await _add(items, "d", price=Decimal(100), type="other", tags=["y.*"])
    await items.remove((await _add(items, "e")).id, None)


def _condition(field: str, op: str, value: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    ("where", "names"),
    [
        (_condition("name", "in", ["a", "d", "z"]), "ad"),
        (_condition("name", "nin", ["a", "d"]), "bc"),
        (_condition("tags", "contains", "y"), "b"),
        (_condition("tags", "prefix", "y."), "d"),
        (_condition("price", "gte", "10.00"), "bd"),
        (_condition("price", "lt", 10.5), "ab"),
        (_condition("price", "eq", None), "c"),
        (_condition("attributes.watts", "gte", 100), "ab"),
        (_condition("attributes.watts", "eq", "1450"), "c"),
        (_condition("attributes.watts", "exists", False), "d"),
        ({"not": _condition("name", "ne", "b")}, "b"),
        ({"or": [_condition("name", "eq", "a"), _condition("tags", "eq", "y")]}, "ab"),
    ],
)
async def test_item_search_finds_its_items(
    items: ItemRepository, where: dict[str, Any], names: str
) -> None:
    await _add_samples(items)
    page = await _search(items, ItemSearch(sort="name", where=where))
    assert "".join(item.name for item in page.items) == names


async def test_item_list_cursor_continues_after_the_page(items: ItemRepository) -> None:
    added = [(await _add(items, name)).id for name in "aabbc"]
    listed: list[UUID] = []
    cursor = None
    for size in (2, 2, 1):
        page = await _list(items, ItemQuery(sort="name", limit=2, cursor=cursor))
        assert len(page.items) == size
        listed += [item.id for item in page.items]
        cursor = page.page.next_cursor
    assert (listed, cursor) == (added, None)


async def test_item_change_merges_and_counts_the_version(items: ItemRepository) -> None:
    item = await _add(items, attributes={"colour": "red", "power": {"watts": 1, "volts": 230}})
    patch = ItemUpdate(price=Decimal(5), attributes={"colour": None, "power": {"volts": 110}})
    changed = await items.change(item.id, patch, frozenset({1}))
    assert changed == item.model_copy(
        update={
            "price": Decimal(5),
            "attributes": {"power": {"watts": 1, "volts": 110}},
            "version": 2,
            "updated_at": changed.updated_at,
        }
    )
    assert await items.get(item.id) == changed
    with pytest.raises(PreconditionFailed):
        await items.change(item.id, patch, frozenset({1}))


async def test_item_change_always_overtaken_is_contended(
    items: ItemRepository, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = await _add(items)
    get = items.get

    async def get_and_overtake(item_id: UUID) -> ItemRead:
        read = await get(item_id)
        await database[ITEMS].update_one({"_id": item_id}, {"$inc": {"version": 1}})
        return read

    monkeypatch.setattr(items, "get", get_and_overtake)
    with pytest.raises(ItemContended):
        await items.change(item.id, ItemUpdate(name="b"), None)
    monkeypatch.undo()
    unchanged = await items.get(item.id)
    assert (unchanged.name, unchanged.version) == (item.name, 1 + MAX_TRIES)


async def test_item_remove_hides_it_until_restore(items: ItemRepository) -> None:
    item = await _add(items)
    with pytest.raises(PreconditionFailed):
        await items.remove(item.id, frozenset({2}))
    await items.remove(item.id, frozenset({1}))
    with pytest.raises(ItemNotFound):
        await items.get(item.id)
    restored = await items.restore(item.id)
    assert (restored.version, restored.deleted_at) == (3, None)
    assert await items.restore(item.id) == restored


async def test_item_add_same_key_returns_the_first_item(items: ItemRepository) -> None:
    item, replayed = await items.add(ItemCreate(name="a"), KEY)
    assert not replayed
    assert await items.add(ItemCreate(name="a"), KEY) == (item, True)
    with pytest.raises(KeyReused):
        await items.add(ItemCreate(name="b"), KEY._replace(fingerprints=(b"other",)))
    await _add(items)  # without a key, which the unique index leaves alone
    await _add(items)
    assert (await _list(items, ItemQuery(count="exact"))).total == 3


async def test_item_must_match_the_schema_of_its_type(
    items: ItemRepository, types: ItemTypeRepository
) -> None:
    item = await _add(items, type="shirt")
    await types.put("shirt", COLOURED, None)
    for attempt in (
        _add(items, type="shirt"),
        items.change(item.id, ItemUpdate(attributes={"size": 1}), None),
    ):
        with pytest.raises(SchemaMismatch) as raised:
            await attempt
        assert raised.value.errors[0]["pointer"] == "/attributes"
    assert (await _add(items, type="shirt", attributes={"colour": "red"})).version == 1
    assert (await items.change(item.id, ItemUpdate(name="b"), None)).version == 2


async def test_type_put_creates_then_replaces(types: ItemTypeRepository) -> None:
    with pytest.raises(PreconditionFailed):
        await types.put("shirt", COLOURED, frozenset({1}))
    created = await types.put("shirt", COLOURED, None)
    assert (created.version, created.json_schema) == (1, COLOURED.json_schema)
    assert await types.get("shirt") == created
    with pytest.raises(PreconditionFailed):
        await types.put("shirt", COLOURED, frozenset({2}))
    replaced = await types.put("shirt", ItemTypeWrite(json_schema={}), frozenset({1}))
    assert (replaced.version, replaced.created_at) == (2, created.created_at)
    other = await types.put("coat", COLOURED, None)
    assert await types.list() == [other, replaced]


async def test_type_removed_is_not_found_and_its_version_goes_on(
    types: ItemTypeRepository,
) -> None:
    await types.put("shirt", COLOURED, None)
    with pytest.raises(PreconditionFailed):
        await types.remove("shirt", frozenset({2}))
    await types.remove("shirt", frozenset({1}))
    for attempt in (types.get("shirt"), types.remove("shirt", None)):
        with pytest.raises(ItemTypeNotFound):
            await attempt
    assert await types.list() == []
    await types.check("shirt", {})
    assert (await types.put("shirt", COLOURED, None)).version == 3


async def test_rule_put_creates_then_replaces(
    rules: RetentionRepository, cache: _RuleCache
) -> None:
    with pytest.raises(PreconditionFailed):
        await rules.put(RuleKey("fraud"), RetentionWrite(days=1), frozenset({1}))
    model = await rules.put(RuleKey("fraud"), RetentionWrite(days=30), None)
    version = await rules.put(RuleKey("fraud", "3"), RetentionWrite(days=7), None)
    assert (model.days, model.model_version, model.version) == (30, None, 1)
    assert await rules.get(RuleKey("fraud")) == model
    assert await rules.get(RuleKey("fraud", "3")) == version
    replaced = await rules.put(RuleKey("fraud"), RetentionWrite(days=31), frozenset({1}))
    assert (replaced.days, replaced.version, replaced.created_at) == (31, 2, model.created_at)
    assert cache.refreshes == 3


async def test_rule_removed_is_not_found_and_its_version_goes_on(
    rules: RetentionRepository, cache: _RuleCache
) -> None:
    await rules.put(RuleKey("fraud", "3"), RetentionWrite(days=7), None)
    with pytest.raises(PreconditionFailed):
        await rules.remove(RuleKey("fraud", "3"), frozenset({2}))
    await rules.remove(RuleKey("fraud", "3"), frozenset({1}))
    assert cache.refreshes == 2
    for attempt in (rules.get(RuleKey("fraud", "3")), rules.remove(RuleKey("fraud", "3"), None)):
        with pytest.raises(RuleNotFound):
            await attempt
    assert (await rules.list(RetentionQuery())).items == []
    assert (await rules.put(RuleKey("fraud", "3"), RetentionWrite(days=7), None)).version == 3


async def test_rule_list_pages_hold_each_rule_once(rules: RetentionRepository) -> None:
    for number in range(5):
        await rules.put(RuleKey(f"m{number % 2}", str(number)), RetentionWrite(days=1), None)
    listed: list[tuple[str, str | None]] = []
    cursor = None
    for _ in range(3):
        page = await rules.list(RetentionQuery(limit=2, cursor=cursor, count="exact"))
        assert page.total == 5
        listed += [(rule.model, rule.model_version) for rule in page.items]
        cursor = page.page.next_cursor
    assert cursor is None
    assert sorted(listed) == [("m0", "0"), ("m0", "2"), ("m0", "4"), ("m1", "1"), ("m1", "3")]
    assert [model for model, _ in listed] == ["m0"] * 3 + ["m1"] * 2
    of_one = await rules.list(RetentionQuery(model="m1"))
    assert {rule.model_version for rule in of_one.items} == {"1", "3"}


async def test_rule_of_other_model_is_forbidden_to_a_bound_key(
    rules: RetentionRepository, database: Database, cache: _RuleCache
) -> None:
    rule = await rules.put(RuleKey("fraud-eu"), RetentionWrite(days=3), None)
    bound_caller = Caller(scopes=scopes_of("admin"), models=("churn*",))
    bound = RetentionRepository(make_context(database, bound_caller, retention=cache))
    assert (await bound.put(RuleKey("churn-eu"), RetentionWrite(days=1), None)).version == 1
    assert len((await bound.list(RetentionQuery(model="churn-eu"))).items) == 1
    for attempt in (
        bound.get(RuleKey("fraud-eu")),
        bound.put(RuleKey("fraud-eu"), RetentionWrite(days=1), None),
        bound.remove(RuleKey("fraud-eu"), None),
        bound.list(RetentionQuery(model="fraud-eu")),
        bound.list(RetentionQuery()),
    ):
        with pytest.raises(ModelForbidden):
            await attempt
    assert await rules.get(RuleKey("fraud-eu")) == rule
