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
        self.value, self.time, self.asked = value, 0.0, 0
        self.refusal: Exception | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.known = CredentialCache(self._load, lambda: self.time)
        self.key = uuid4()

    async def _load(self, _key: UUID) -> str | None:
        self.asked += 1
        found, refusal = self.value, self.refusal  # as they are when it is asked
        await self.open.wait()
        if refusal is not None:
            raise refusal
        return found

    async def get(self) -> str | None:
        return await self.known.get(self.key)


async def test_what_is_fresh_is_not_asked_again() -> None:
    store = Store()
    for store.time in (0.0, 10.0, 29.9):
        assert await store.get() == "old"
    assert store.asked == 1


async def test_after_half_a_minute_it_is_asked_again_and_nobody_waits() -> None:
    store = Store()
    await store.get()
    store.value, store.time = "new", 30.0
    store.open.clear()
    async with asyncio.timeout(30):
        assert [await store.get() for _ in range(3)] == ["old"] * 3
    store.open.set()
    await store.known.drain()
    assert (await store.get(), store.asked) == ("new", 2)


async def test_after_a_minute_whoever_asks_waits_for_the_answer_of_now() -> None:
    store = Store()
    await store.get()
    store.value, store.time = "new", 60.0
    assert (await store.get(), store.asked) == ("new", 2)


async def test_an_age_counts_from_when_the_store_was_asked() -> None:
    store = Store()
    store.open.clear()
    asking = asyncio.create_task(store.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.time = 40.0
    store.open.set()
    await asking
    await store.get()
    await store.known.drain()
    assert store.asked == 2, "it was 40 s old when it came"


async def test_whoever_needs_it_younger_is_given_it_younger() -> None:
    store = Store()
    await store.get()
    store.value, store.time = "new", 2.0
    assert await store.known.get(store.key, max_age=1.0) == "new"


async def test_while_the_store_is_down_the_last_answer_is_good_for_15_minutes() -> None:
    store = Store()
    await store.get()
    store.refusal = Unavailable()
    for store.time in (60.0, 600.0, 899.9):
        assert await store.get() == "old"
    store.time = 900.0
    with pytest.raises(Unavailable):
        await store.get()
    store.refusal, store.value = None, "new"
    assert await store.get() == "new"


async def test_only_a_store_that_is_down_makes_old_answers_good() -> None:
    store = Store()
    await store.get()
    store.refusal, store.time = RuntimeError(), 61.0
    with pytest.raises(RuntimeError):
        await store.get()


async def test_what_is_gone_is_gone_after_a_minute_at_the_latest() -> None:
    store = Store()
    await store.get()
    store.value, store.time = None, 60.0
    assert await store.get() is None
    store.refusal = Unavailable()
    with pytest.raises(Unavailable):
        await store.get()


async def test_forgotten_while_it_is_looked_up_the_old_answer_reaches_nobody() -> None:
    store = Store()
    store.open.clear()
    waiting = asyncio.create_task(store.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert store.asked == 1
    store.value = "new"
    store.known.invalidate(store.key)
    store.open.set()
    assert await waiting == "new"
    assert (await store.get(), store.asked) == ("new", 2)


async def test_forgotten_while_it_is_refreshed_the_old_answer_is_not_kept() -> None:
    store = Store()
    await store.get()
    store.time = 45.0
    store.open.clear()
    await store.get()
    await asyncio.sleep(0)
    store.value = "new"
    store.known.invalidate(store.key)
    store.open.set()
    await asyncio.sleep(0)
    assert await store.get() == "new"
    await asyncio.sleep(0)
    assert await store.get() == "new", "the late answer took no place"


async def test_what_was_forgotten_is_not_good_because_the_store_goes_down() -> None:
    store = Store()
    await store.get()
    store.time, store.refusal = 61.0, Unavailable()
    store.open.clear()
    waiting = asyncio.create_task(store.get())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.known.invalidate(store.key)
    store.open.set()
    with pytest.raises(Unavailable):
        await waiting


async def test_of_50_who_ask_at_once_one_asks_the_store() -> None:
    store = Store()
    assert await asyncio.gather(*(store.get() for _ in range(50))) == ["old"] * 50
    assert store.asked == 1


async def test_one_who_gives_up_takes_nothing_from_the_others() -> None:
    store = Store()
    store.open.clear()
    first, second = (asyncio.create_task(store.get()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    store.open.set()
    assert (await second, store.asked) == ("old", 1)


async def test_that_there_is_none_is_not_kept() -> None:
    store = Store(value=None)
    assert await store.get() is None
    store.value = "new"
    assert (await store.get(), store.asked) == ("new", 2)


@pytest.mark.parametrize("refusal", [Unavailable(), RuntimeError()])
async def test_a_failure_is_not_kept(refusal: Exception) -> None:
    store = Store()
    store.refusal = refusal
    with pytest.raises(type(refusal)):
        await store.get()
    store.refusal = None
    assert (await store.get(), store.asked) == ("old", 2)


async def test_the_oldest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.auth.credential_cache.MAX_ENTRIES", 2)
    store = Store()
    keys = [uuid4() for _ in range(3)]
    for key in keys:
        await store.known.get(key)
    assert list(store.known._entries) == keys[1:]


async def test_a_busy_store_brings_nothing_back() -> None:
    store = Store()
    await store.get()
    store.time, store.refusal = 60.0, SqlBusy()
    with pytest.raises(SqlBusy):
        await store.get()
    store.refusal = QueryTooSlow()  # it hangs: as good as down
    assert await store.get() == "old"


async def test_whoever_needs_the_answer_of_now_gets_no_stale_one() -> None:
    store = Store()
    await store.get()
    store.time, store.refusal = 60.0, Unavailable()
    with pytest.raises(Unavailable):
        await store.known.get(store.key, allow_stale=False)


async def test_all_that_fit_are_forgotten_and_what_is_being_looked_up_with_them() -> None:
    store = Store()
    await store.get()
    store.known.invalidate_where(lambda value: value == "another")
    assert (await store.get(), store.asked) == ("old", 1)
    store.known.invalidate_where(lambda value: value == "old")
    store.open.clear()
    asking = asyncio.create_task(store.get())
    while store.asked < 2:
        await asyncio.sleep(0)
    store.value = "new"
    store.known.invalidate_where(lambda _value: False)
    store.open.set()
    assert await asking == "new"


async def test_cache_lookup_invalidated_ends_before_the_store_closes() -> None:
    store = Store()
    store.open.clear()
    asking = asyncio.create_task(store.get())
    while store.asked < 1:
        await asyncio.sleep(0)
    store.known.invalidate(store.key)
    closing = asyncio.create_task(store.known.drain())
    for _ in range(10):
        await asyncio.sleep(0)
    assert not closing.done()
    store.open.set()
    await closing
    await asking
