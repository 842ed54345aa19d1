"""Pages that end early, and large ones whose items are read while they are sent."""

import json
from collections.abc import AsyncGenerator, Iterable
from typing import Any

import httpx2
import pytest
from fastapi import Request

from service.core.errors import Unavailable
from service.main import State
from service.stores.mongo.client import MongoStore
from service.web.lists import large_pages
from service.web.lists.large_pages import LargePage, PageTooLarge, end_early, in_batches
from service.web.streaming import LARGE_BYTES, LargeResponses
from tests.documents.predictions.factories import make_event, make_events, post_batch
from tests.relational.posts.factories import make_post
from tests.relational.users.factories import make_user
from tests.web.test_streaming import Connection

PAGE = large_pages.PAGE_BYTES


@pytest.mark.parametrize(
    ("sizes", "fitting"),
    [
        ([0, 0, 0], 3),
        ([PAGE, 0, 0], 3),
        ([PAGE - 1, 1, 1], 2),
        ([PAGE + 1, 0], 1),
        ([1, PAGE, 0], 1),
        ([], 0),
    ],
)
def test_end_early_keeps_what_fits_and_one_at_least(sizes: list[int], fitting: int) -> None:
    page = list(range(len(sizes)))
    shown, last = end_early(page, None, sizes, by_offset=False)
    assert list(shown) == page[:fitting]
    assert last == (None if fitting == len(page) else fitting - 1)
    if fitting < len(page):
        with pytest.raises(PageTooLarge, match=f"only {fitting} of them"):
            end_early(page, None, sizes, by_offset=True)


def test_in_batches_splits_at_large_items_alone() -> None:
    sizes = [0, LARGE_BYTES, 0, 0, LARGE_BYTES // 2, LARGE_BYTES // 2, 0]
    batches = [*in_batches(range(7), sizes)]
    assert [list(batch) for batch in batches] == [[0, 1], [2, 3, 4, 5], [6]]
    assert [*in_batches([], [])] == []


async def batches_of(*batches: Iterable[bytes]) -> AsyncGenerator[Iterable[bytes]]:
    for batch in batches:
        yield batch


@pytest.mark.parametrize(
    ("batches", "items"),
    [([], []), ([[]], []), ([[b"1"], [], [b"2", b"3"], []], [1, 2, 3]), ([[], [b"1"]], [1])],
)
async def test_large_page_joins_its_batches(batches: list[list[bytes]], items: list[int]) -> None:
    scope: dict[str, Any] = {"type": "http", "state": {"large_responses": LargeResponses()}}
    page = LargePage(batches_of(*batches), b',"total":null}', {}, Request(scope))
    connection = Connection()
    await page(scope, connection.receive, connection.send)
    assert json.loads(connection.body) == {"items": items, "total": None}


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that end after 1 MB."""
    monkeypatch.setattr(large_pages, "PAGE_BYTES", 1_000_000)


async def pages_of(client: httpx2.AsyncClient, path: str, **query: Any) -> list[list[Any]]:
    """Return the items of each page, following the cursors."""
    pages = []
    while True:
        response = await client.get(path, params=query)
        assert response.status_code == 200, response.text
        body = response.json()
        pages.append(body["items"])
        assert body["page"]["has_more"] == ("link" in response.headers)
        if not body["page"]["has_more"]:
            return pages
        query["cursor"] = body["page"]["next_cursor"]


@pytest.mark.usefixtures("small_pages")
async def test_posts_of_any_size_are_listed_once_in_order(client: httpx2.AsyncClient) -> None:
    lengths = [10, 99_000, 5_000, 99_000, 99_000, 10, *[90_000] * 9, 4_097]
    author = (await make_user(client))["id"]
    texts = ["\u00e9" * length for length in lengths]
    ids = [(await make_post(client, author_id=author, content=text))["id"] for text in texts]
    for query in ({}, {"expand": "author"}, {"fields": "id,content"}):
        pages = await pages_of(client, "/v1/posts", sort="created_at", limit=200, **query)
        assert len(pages) > 2
        posts = [post for page in pages for post in page]
        assert [post["id"] for post in posts] == ids
        assert [len(post["content"]) for post in posts] == lengths
        assert ("author" in posts[1]) == ("expand" in query)
        assert (set(posts[1]) == {"id", "content"}) == ("fields" in query)
    assert len(await pages_of(client, f"/v1/users/{author}/posts", limit=200)) > 2
    for counted in ({"limit": 200, "offset": 0}, {"page": 1, "page_size": 200}):
        for address in ("/v1/posts", f"/v1/users/{author}/posts"):
            refused = await client.get(address, params=counted)
            assert (refused.status_code, refused.json()["code"]) == (422, "page_too_large")


@pytest.mark.usefixtures("small_pages")
async def test_predictions_of_any_size_are_listed_once(client: httpx2.AsyncClient) -> None:
    events = [make_event(features={"x": "y" * length}) for length in (10, 5_000, *[300_000] * 7)]
    for event in [*events, *make_events(20)]:
        await post_batch(client, [event])
    pages = await pages_of(client, "/v1/predictions", limit=200, fields="prediction_id,features")
    assert len(pages) > 2
    listed = {item["prediction_id"]: item["features"] for page in pages for item in page}
    assert sum(map(len, pages)) == len(listed) == 29
    for event in events:
        assert listed[event["prediction_id"]] == event["features"]


async def test_large_page_store_fails_in_its_first_batch_is_503(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        await post_batch(client, [make_event(features={"x": "y" * 200_000})])
    call, calls = MongoStore.call, 0

    async def call_once(self: MongoStore, work: Any, *, writes: bool) -> Any:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise Unavailable
        return await call(self, work, writes=writes)

    monkeypatch.setattr(MongoStore, "call", call_once)
    response = await client.get("/v1/predictions")
    assert (response.status_code, response.json()["code"], calls) == (503, "unavailable", 2)
