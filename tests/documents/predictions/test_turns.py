"""Whatever is sent, others have their turn: nothing holds up the event loop for long."""

import asyncio
import gc
import json
import time
from collections.abc import Awaitable

import httpx2
import pytest

from tests.documents.predictions.factories import JSON, make_event, post_batch

MUCH = {"x": [0] * 2_500}


async def waits(work: Awaitable[httpx2.Response]) -> tuple[httpx2.Response, float, float]:
    """What it gave, how long it took, and how long somebody else had to wait meanwhile at most."""
    longest, done = 0.0, asyncio.Event()

    async def somebody_else() -> None:
        nonlocal longest
        while not done.is_set():
            began = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - began)

    waiting = asyncio.ensure_future(somebody_else())
    await asyncio.sleep(0)  # it waits from now on
    gc.disable()  # all that the other tests left behind takes 0.2 s to look through
    try:
        began = time.thread_time()
        given = await work
        taken = time.thread_time() - began
    finally:
        gc.enable()
        done.set()
    await waiting
    return given, taken, longest


def _without_version() -> dict[str, object]:
    event = make_event(features=MUCH)
    del event["version"]
    return event


@pytest.mark.parametrize(
    ("path", "item"),
    [
        ("/v1/predictions/batch", _without_version()),
        ("/v1/labels/batch", [0] * 2_500),
    ],
)
async def test_a_batch_of_what_is_all_wrong_holds_nobody_up(
    client: httpx2.AsyncClient, path: str, item: object
) -> None:
    """What is wrong is read again, for a pointer to it, which takes a thousand times as long."""
    body = json.dumps({"items": [item] * 600})
    answer, taken, longest = await waits(client.post(path, content=body, headers=JSON))
    assert (answer.status_code, answer.json()["rejected"]) == (207, 600)
    assert longest < taken / 4


async def test_a_page_of_large_events_holds_nobody_up(client: httpx2.AsyncClient) -> None:
    for _ in range(4):
        await post_batch(client, [make_event(features={"x": [0.1] * 19_000}) for _ in range(25)])
    page, taken, longest = await waits(client.get("/v1/predictions", params={"limit": 100}))
    assert len(page.json()["items"]) > 10
    assert longest < taken / 4
