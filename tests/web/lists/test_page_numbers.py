"""Pages by number: their items, totals and links, and what they do not go with."""

import re
from typing import Any

import httpx2
import pytest

from service.main import State
from service.web.lists.page_numbers import MOST_COUNTED
from tests.documents.items.factories import make_item
from tests.relational.users.factories import make_users
from tests.relational.users.statements import recorded_statements

LISTS = ("/v1/users", "/v1/items")


async def fill(client: httpx2.AsyncClient, count: int) -> list[str]:
    """Return the ids of new users, who are made with as many items of one name."""
    made = await make_users(client, *[{"city": "Oslo"}] * count)
    for _ in range(count):
        await make_item(client)
    return sorted(user["id"] for user in made)


def links(response: httpx2.Response) -> dict[str, str]:
    return {
        name: address
        for address, name in re.findall(r'<([^>]*)>; rel="(\w+)"', response.headers.get("link", ""))
    }


@pytest.mark.parametrize("address", LISTS)
async def test_pages_by_number_hold_every_item_once(
    client: httpx2.AsyncClient, address: str
) -> None:
    await fill(client, 7)
    whole = (await client.get(address, params={"sort": "created_at"})).json()["items"]
    found = []
    for number in (1, 2, 3):
        query: dict[str, Any] = {"sort": "created_at", "page": number, "page_size": 3}
        body = (await client.get(address, params=query)).json()
        found += body["items"]
        assert (body["total"], body["total_pages"], body["total_is_estimated"]) == (7, 3, False)
        assert body["page"]["limit"] == 3
        assert body["page"]["has_more"] == (number < 3)
    assert found == whole
    beyond = (await client.get(address, params={"page": 4, "page_size": 3})).json()
    assert (beyond["items"], beyond["total"], beyond["page"]["has_more"]) == ([], 7, False)


@pytest.mark.parametrize("address", LISTS)
async def test_page_links_lead_to_the_pages_around(
    client: httpx2.AsyncClient, address: str
) -> None:
    await fill(client, 7)
    query: dict[str, Any] = {"page": 2, "page_size": 2, "sort": "created_at", "fields": "id"}
    around = links(await client.get(address, params=query))
    numbers = {name: int(link.split("page=")[1].split("&")[0]) for name, link in around.items()}
    assert numbers == {"first": 1, "prev": 1, "next": 3, "last": 4}
    third = (await client.get(around["next"])).json()
    assert [set(item) for item in third["items"]] == [{"id"}] * 2
    assert set(links(await client.get(around["last"]))) == {"first", "prev", "last"}


@pytest.mark.parametrize("address", LISTS)
async def test_page_without_size_has_fifty_and_size_without_page_is_the_first(
    client: httpx2.AsyncClient, address: str
) -> None:
    await fill(client, 2)
    body = (await client.get(address, params={"page": 1})).json()
    assert (body["page"]["limit"], body["total_pages"]) == (50, 1)
    body = (await client.get(address, params={"page_size": 1})).json()
    assert (len(body["items"]), body["total_pages"]) == (1, 2)
    assert (await client.get(address, params={"page_size": 999})).json()["page"]["limit"] == 200


@pytest.mark.parametrize("other", ["cursor=x", "offset=1", "limit=5", "sort=committed"])
async def test_page_with_another_place_is_422(client: httpx2.AsyncClient, other: str) -> None:
    for place in ("page=1", "page_size=5"):
        answer = await client.get(f"/v1/users?{place}&{other}")
        assert answer.status_code == 422, other
        assert "page_size go without" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("address", LISTS)
async def test_page_with_defaults_of_other_places_is_the_page(
    client: httpx2.AsyncClient, address: str
) -> None:
    await fill(client, 3)
    place: dict[str, Any] = {"page": 2, "page_size": 2, "sort": "created_at"}
    alone = await client.get(address, params=place)
    sent = await client.get(address, params={**place, "limit": 50, "offset": 0, "count": "none"})
    assert sent.json() == alone.json()
    assert (len(sent.json()["items"]), sent.json()["total_pages"]) == (1, 2)


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", ""])
async def test_page_number_invalid_is_422(client: httpx2.AsyncClient, page: str) -> None:
    answer = await client.get("/v1/users", params={"page": page})
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/query/page"]


async def test_page_beyond_the_cap_is_refused_with_the_cursor_as_advice(
    client: httpx2.AsyncClient,
) -> None:
    arabic = "page=\u0661\u0660\u0661&page_size=\u0661\u0660\u0660"  # 101 and 100
    for query in ("page=101&page_size=100", arabic):
        assert (await client.get(f"/v1/users?{query}")).json()["items"] == []
    for query in ("page=102&page_size=100", "page=202", f"page={'9' * 40}&page_size=1"):
        answer = await client.get(f"/v1/users?{query}")
        assert (answer.status_code, answer.json()["code"]) == (422, "page_too_far")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/query/page"]
        assert "next_cursor" in answer.json()["detail"]


@pytest.mark.parametrize("address", LISTS)
async def test_total_beyond_the_bound_is_estimated(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    await fill(client, 6)
    for module in ("sql.lists.totals", "mongo.listing"):
        monkeypatch.setattr(f"service.stores.{module}.MOST_COUNTED", 4)
    answer = await client.get(address, params={"page": 1, "page_size": 2})
    assert answer.json()["total_is_estimated"] is True
    assert answer.json()["total"] >= 5
    assert set(links(answer)) == {"next"}, "the last page is not known"
    few = "name=none" if address == "/v1/items" else "city=none"
    for query, total in ((f"page=1&{few}", 0), ("page=1", 5)):
        body = (await client.get(f"{address}?{query}&count=estimated")).json()
        assert body["total_is_estimated"] == (total > 4), query
        assert body["total"] >= total
    body = (await client.get(address, params={"page": 1, "count": "exact"})).json()
    assert (body["total"], body["total_is_estimated"]) == (6, False)


async def test_count_of_a_page_reads_a_bounded_number_of_rows(
    client: httpx2.AsyncClient, state: State
) -> None:
    with recorded_statements(state) as statements:
        await client.get("/v1/users?page=1")
    (count,) = [(sql, values) for sql, values in statements if "count(*)" in sql]
    assert "LIMIT" in count[0]
    assert MOST_COUNTED + 1 in count[1]


async def test_next_link_where_numbers_end_is_the_cursor(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(client, 5)
    monkeypatch.setattr("service.web.lists.page_numbers.MAX_OFFSET", 2)
    answer = await client.get("/v1/users?page=2&page_size=2&sort=created_at")
    following = await client.get(links(answer)["next"])
    assert "cursor=" in links(answer)["next"]
    assert len(following.json()["items"]) == 1
    assert "total_pages" not in following.json()


async def test_answer_without_page_number_has_no_total_pages(client: httpx2.AsyncClient) -> None:
    for address in (*LISTS, "/v1/tags"):
        assert set((await client.get(address)).json()) == {"items", "page", "total"}
        numbered = set((await client.get(f"{address}?page=1")).json())
        assert numbered == {"items", "page", "total", "total_pages", "total_is_estimated"}
