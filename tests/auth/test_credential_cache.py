"""The cache of credentials: its ages, and concurrent look-ups."""

import asyncio
from uuid import UUID, uuid4

import pytest

from service.auth.credential_cache import CredentialCache
from service.core.errors import QueryTooSlow, Unavailable
from service.stores.sql.errors import SqlBusy


class Store:
    """A store with one value and a clock; it can be down, and can be made to wait."""

    def __init__(self, value: str | None = "old") -> None:
        self.value, self.time, self.loads = value, 0.0, 0
        self.error: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.cache = CredentialCache(self._load, lambda: self.time)
        self.key = uuid4()

    async def _load(self, _key: UUID) -> str | None:
        self.loads += 1
        value, error = self.value, self.error  # as they are when the load starts
        await self.open.wait()
        if error is not None:
            raise error
        return value

    async def get(self) -> str | None:
        return await self.cache.get(self.key)


async def test_cache_fresh_entry_is_not_loaded_again() -> None:
    store = Store()
    for store.time in (0.0, 2.0, 4.9):
        assert await store.get() == "old"
    assert store.loads == 1


async def test_cache_after_5_seconds_refreshes_in_the_background() -> None:
    store = Store()
    await store.get()
    store.value, store.time = "new", 5.0
    store.open.clear()
    async with asyncio.timeout(30):
        assert [await store.get() for _ in range(3)] == ["old"] * 3
    store.open.set()
    await store.cache.drain()
    assert (await store.get(), store.loads) == ("new", 2)


async def test_cache_after_10_seconds_waits_for_the_load() -> None:
    store = Store()
    await store.get()
    store.value, store.time = "new", 10.0
    assert (await store.get(), store.loads) == ("new", 2)


async def test_cache_age_counts_from_the_start_of_the_load() -> None:
    store = Store()
    store.open.clear()
    asking = asyncio.create_task(store.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.time = 40.0
    store.open.set()
    await asking
    await store.get()
    await store.cache.drain()
    assert store.loads == 2, "it was 40 s old when it came"


async def test_cache_max_age_loads_an_older_entry_again() -> None:
    store = Store()
    await store.get()
    store.value, store.time = "new", 2.0
    assert await store.cache.get(store.key, max_age=1.0) == "new"


async def test_cache_store_down_serves_stale_for_15_minutes() -> None:
    store = Store()
    await store.get()
    store.error = Unavailable()
    for store.time in (10.0, 600.0, 899.9):
        assert await store.get() == "old"
    store.time = 900.0
    with pytest.raises(Unavailable):
        await store.get()
    store.error, store.value = None, "new"
    assert await store.get() == "new"


async def test_cache_other_errors_serve_no_stale_entry() -> None:
    store = Store()
    await store.get()
    store.error, store.time = RuntimeError(), 11.0
    with pytest.raises(RuntimeError):
        await store.get()


async def test_cache_removed_value_is_gone_after_10_seconds() -> None:
    store = Store()
    await store.get()
    store.value, store.time = None, 10.0
    assert await store.get() is None
    store.error = Unavailable()
    with pytest.raises(Unavailable):
        await store.get()


async def test_cache_invalidated_during_load_loads_again() -> None:
    store = Store()
    store.open.clear()
    waiting = asyncio.create_task(store.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert store.loads == 1
    store.value = "new"
    store.cache.invalidate(store.key)
    store.open.set()
    assert await waiting == "new"
    assert (await store.get(), store.loads) == ("new", 2)


async def test_cache_invalidated_during_refresh_is_not_stored() -> None:
    store = Store()
    await store.get()
    store.time = 7.0
    store.open.clear()
    await store.get()
    await asyncio.sleep(0)
    store.value = "new"
    store.cache.invalidate(store.key)
    store.open.set()
    await asyncio.sleep(0)
    assert await store.get() == "new"
    await asyncio.sleep(0)
    assert await store.get() == "new", "the late answer took no place"


async def test_cache_invalidated_entry_is_not_served_stale() -> None:
    store = Store()
    await store.get()
    store.time, store.error = 11.0, Unavailable()
    store.open.clear()
    waiting = asyncio.create_task(store.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.cache.invalidate(store.key)
    store.open.set()
    with pytest.raises(Unavailable):
        await waiting


async def test_cache_50_concurrent_gets_load_once() -> None:
    store = Store()
    assert await asyncio.gather(*(store.get() for _ in range(50))) == ["old"] * 50
    assert store.loads == 1


async def test_cache_cancelled_get_does_not_cancel_the_load() -> None:
    store = Store()
    store.open.clear()
    first, second = (asyncio.create_task(store.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    store.open.set()
    assert (await second, store.loads) == ("old", 1)


async def test_cache_missing_value_is_not_stored() -> None:
    store = Store(value=None)
    assert await store.get() is None
    store.value = "new"
    assert (await store.get(), store.loads) == ("new", 2)


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError()])
async def test_cache_error_is_not_stored(error: Exception) -> None:
    store = Store()
    store.error = error
    with pytest.raises(type(error)):
        await store.get()
    store.error = None
    assert (await store.get(), store.loads) == ("old", 2)


async def test_cache_full_removes_the_oldest_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.auth.credential_cache.MAX_ENTRIES", 2)
    store = Store()
    keys = [uuid4() for _ in range(3)]
    for key in keys:
        await store.cache.get(key)
    assert list(store.cache._entries) == keys[1:]


async def test_cache_busy_store_serves_no_stale_entry() -> None:
    store = Store()
    await store.get()
    store.time, store.error = 10.0, SqlBusy()
    with pytest.raises(SqlBusy):
        await store.get()
    store.error = QueryTooSlow()  # it hangs: as good as down
    assert await store.get() == "old"


async def test_cache_without_allow_stale_raises() -> None:
    store = Store()
    await store.get()
    store.time, store.error = 10.0, Unavailable()
    with pytest.raises(Unavailable):
        await store.cache.get(store.key, allow_stale=False)


async def test_cache_invalidate_where_includes_current_loads() -> None:
    store = Store()
    await store.get()
    store.cache.invalidate_where(lambda value: value == "another")
    assert (await store.get(), store.loads) == ("old", 1)
    store.cache.invalidate_where(lambda value: value == "old")
    store.open.clear()
    asking = asyncio.create_task(store.get())
    while store.loads < 2:
        await asyncio.sleep(0)
    store.value = "new"
    store.cache.invalidate_where(lambda _value: False)
    store.open.set()
    assert await asking == "new"


async def test_cache_drain_waits_for_invalidated_loads() -> None:
    store = Store()
    store.open.clear()
    asking = asyncio.create_task(store.get())
    while store.loads < 1:
        await asyncio.sleep(0)
    store.cache.invalidate(store.key)
    closing = asyncio.create_task(store.cache.drain())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    store.open.set()
    await closing
    await asking


async def known_down(store: Store, at: float) -> None:
    """Load the entry at 0, and find the store down at ``at``."""
    await store.get()
    store.error, store.time = Unavailable(), at
    assert await store.get() == "old"
    await store.cache.drain()


async def test_cache_store_known_to_hang_is_not_waited_for() -> None:
    store = Store()
    await known_down(store, 20.0)
    store.open.clear()
    async with asyncio.timeout(30):
        for store.time in (20.5, 21.0, 25.0, 29.9):
            assert await store.get() == "old"
    store.open.set()
    await store.cache.drain()


async def test_cache_while_down_one_look_up_a_second_runs() -> None:
    store = Store()
    await known_down(store, 20.0)
    store.open.clear()
    async with asyncio.timeout(30):
        for store.time in (20.2, 20.9):
            await store.get()
        await asyncio.sleep(0)
        assert store.loads == 2, "too soon after the failure"
        for store.time in (21.0, 21.5, 22.9):
            await store.get()
            await asyncio.sleep(0)
        assert store.loads == 3, "another one runs"
    store.open.set()
    await store.cache.drain()


async def test_cache_after_the_store_is_back_asks_for_every_key() -> None:
    store, other = Store(), uuid4()
    await store.cache.get(other)
    await known_down(store, 20.0)
    store.error, store.value, store.time = None, None, 21.0
    assert await store.get() == "old"
    await store.cache.drain()
    assert await store.get() is None
    assert await store.cache.get(other) is None, "it was revoked meanwhile"


async def test_cache_knows_for_10_seconds_that_the_store_is_down() -> None:
    store = Store()
    await known_down(store, 20.0)
    store.error, store.value, store.time = None, None, 30.0
    assert await store.get() is None, "revoked while no request came"


async def test_cache_while_down_unknown_keys_and_rechecks_raise() -> None:
    store = Store()
    await known_down(store, 20.0)
    with pytest.raises(Unavailable):
        await store.cache.get(uuid4())
    with pytest.raises(Unavailable):
        await store.cache.get(store.key, max_age=1.0, allow_stale=False)
    store.time = 900.0
    with pytest.raises(Unavailable):
        await store.get()


async def test_cache_busy_store_is_not_known_to_be_down() -> None:
    store = Store()
    await store.get()
    store.error, store.time = SqlBusy(), 10.0
    for _ in range(2):
        with pytest.raises(SqlBusy):
            await store.get()
