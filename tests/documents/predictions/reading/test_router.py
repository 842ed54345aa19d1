"""One prediction by its id, and the list."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.documents.predictions.factories import (
    make_event,
    make_events,
    post_batch,
)


async def test_prediction_unknown_returns_404(client: httpx2.AsyncClient) -> None:
    response = await client.get(f"/v1/predictions/{uuid4()}")
    assert (response.status_code, response.json()["code"]) == (404, "prediction_not_found")
    assert (await client.get("/v1/predictions/nothing")).status_code == 404
    assert (await client.get(f"/v1/predictions/{'x' * 129}")).status_code == 422


async def _listed(client: httpx2.AsyncClient, **query: Any) -> list[str]:
    """Return the ids of all pages, three per page."""
    ids: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        response = await client.get("/v1/predictions", params={**query, "limit": 3, **cursor})
        assert response.status_code == 200, response.text
        page = response.json()
        ids += [item["prediction_id"] for item in page["items"]]
        if not page["page"]["has_more"]:
            return ids
        cursor = {"cursor": page["page"]["next_cursor"]}
    pytest.fail("the list has too many pages")


async def test_list_is_newest_first_and_pages_keep_ties(
    client: httpx2.AsyncClient,
) -> None:
    times = ["2026-01-05T00:00:01Z"] * 5 + ["2026-01-05T00:00:02Z"] * 5
    events = [make_event(timestamp=time) for time in times]
    await post_batch(client, events)
    expected = [
        item["prediction_id"]
        for item in sorted(events, key=lambda item: (item["timestamp"], item["prediction_id"]))
    ]
    assert await _listed(client, sort="timestamp") == expected
    assert await _listed(client) == expected[::-1]


async def test_list_each_filter_returns_its_predictions(client: httpx2.AsyncClient) -> None:
    marked = {
        "model": "churn",
        "version": "9",
        "status": "timeout",
        "user_id": str(uuid4()),
        "order_id": str(uuid4()),
    }
    others = make_events(4)
    ones = {name: make_event(**{name: value}) for name, value in marked.items()}
    late = make_event(timestamp="2026-02-01T00:00:00Z")
    await post_batch(client, [*others, *ones.values(), late])
    for name, value in marked.items():
        assert await _listed(client, **{name: value}) == [ones[name]["prediction_id"]], name
    bound = "2026-02-01T00:00:00Z"
    assert await _listed(client, timestamp__gte=bound) == [late["prediction_id"]]
    assert len(await _listed(client, timestamp__lt=bound, model="fraud")) == 8
    counted = await client.get("/v1/predictions?model=fraud&count=exact&limit=1")
    assert counted.json()["total"] == 9
    assert 'rel="next"' in counted.headers["link"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("colour=red", 400),
        ("model[$ne]=x", 400),
        ("sort=latency_ms", 422),
        ("status=great", 422),
        ("user_id=", 422),
        ("timestamp__gte=2026-01-05T00:00:00", 422),
        ("limit=0", 422),
        ("cursor=abc", 400),
        ("model=%00", 422),
    ],
)
async def test_list_invalid_query_returns_an_error(
    client: httpx2.AsyncClient, query: str, status: int
) -> None:
    response = await client.get(f"/v1/predictions?{query}")
    assert response.status_code == status, response.text


async def test_list_cursor_with_other_filters_returns_400(client: httpx2.AsyncClient) -> None:
    await post_batch(client, make_events(3))
    page = (await client.get("/v1/predictions?model=fraud&limit=1")).json()["page"]
    response = await client.get(f"/v1/predictions?model=churn&cursor={page['next_cursor']}")
    assert (response.status_code, response.json()["code"]) == (400, "bad_cursor")
