"""Long work is interrupted for other tasks: no request blocks the event loop for long."""

import asyncio
import gc
import json
import time
from collections.abc import Awaitable

import httpx2
import pytest

from tests.documents.predictions.factories import JSON, make_event, post_batch

PARSING_SECONDS = 0.05  # of the JSON of a batch, in one piece
MANY_VALUES = {"x": [0] * 2_500}


async def measure(work: Awaitable[httpx2.Response]) -> tuple[httpx2.Response, float, float]:
    """Return the response, its CPU seconds, and the longest wait of another task meanwhile."""
    longest, done = 0.0, asyncio.Event()

    async def other_task() -> None:
        nonlocal longest
        while not done.is_set():
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    other = asyncio.ensure_future(other_task())
    await asyncio.sleep(0)  # let the other task start
    gc.disable()  # collecting the garbage of other tests takes 0.2 s (measured)
    try:
        began = time.thread_time()
        response = await work
        seconds = time.thread_time() - began
    finally:
        gc.enable()
        done.set()
    await other
    return response, seconds, longest


def _without_version() -> dict[str, object]:
    event = make_event(features=MANY_VALUES)
    del event["version"]
    return event


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("/v1/predictions/batch", _without_version()),
        ("/v1/labels/batch", [0] * 2_500),
    ],
)
async def test_batch_of_invalid_items_keeps_the_loop_responsive(
    client: httpx2.AsyncClient, path: str, item: object
) -> None:
    """Invalid items are parsed again for a pointer, which takes a thousand times as long."""
    body = json.dumps({"items": [item] * 200})
    response, seconds, longest = await measure(client.post(path, content=body, headers=JSON))
    assert (response.status_code, response.json()["rejected"]) == (207, 200)
    assert longest < max(seconds / 4, PARSING_SECONDS)


async def test_page_of_large_events_keeps_the_loop_responsive(client: httpx2.AsyncClient) -> None:
    await post_batch(client, [make_event(features={"x": [0.1] * 19_000}) for _ in range(25)])
    page, seconds, longest = await measure(client.get("/v1/predictions", params={"limit": 100}))
    assert len(page.json()["items"]) > 10
    assert longest < seconds / 4
