"""Events of almost a megabyte: a page ends at 8 MiB."""

from itertools import chain

import httpx2

from tests.documents.predictions.factories import make_event, post_event

EVENT_SIZE, EVENT_COUNT = 900_000, 12


async def test_list_page_of_large_events_is_short_and_continues(
    client: httpx2.AsyncClient,
) -> None:
    events = [make_event(features={"x": "y" * EVENT_SIZE, "n": n}) for n in range(EVENT_COUNT)]
    for event in events:
        await post_event(client, event)
    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/predictions", params={"limit": 200, **cursor})).json()
        pages.append([item["prediction_id"] for item in page["items"]])
        if not page["page"]["has_more"]:
            break
        cursor = {"cursor": page["page"]["next_cursor"]}
    assert [len(page) for page in pages] == [9, 3]
    assert sorted(chain(*pages)) == sorted(event["prediction_id"] for event in events)
