"""Cursors, limits, offsets and Link headers."""

import base64
import re
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from service.web.middleware.body_limit import MAX_ADDRESS_BYTES
from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import iterate_pages, make_user, make_users


async def cursor_of(client: httpx2.AsyncClient, query: str) -> str:
    cursor: str = (await client.get(query)).json()["page"]["next_cursor"]
    assert cursor
    return cursor


async def test_link_header_leads_to_the_next_page(client: httpx2.AsyncClient) -> None:
    made = await make_users(client, *[{"city": "A & B"}] * 5)
    first = await client.get("/v1/users?limit=2&offset=1&city=a%20%26%20b&sort=created_at")
    assert [user["id"] for user in first.json()["items"]] == [user["id"] for user in made[1:3]]
    target, relation = first.headers["link"].split(">; ")
    assert relation == 'rel="next"'
    second = await client.get(target.removeprefix("<"))
    assert [user["id"] for user in second.json()["items"]] == [user["id"] for user in made[3:]]
    assert second.json()["page"] == {"limit": 2, "next_cursor": None, "has_more": False}
    assert "link" not in second.headers


@pytest.mark.parametrize("place", ["limit=1", "page_size=1", "offset=0&limit=1"])
async def test_next_address_of_the_longest_is_taken(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """With filters of 2,000 characters, and text of the longest in the cursor."""
    monkeypatch.setattr("service.web.lists.page_numbers.MAX_OFFSET", 0)  # a cursor follows a page
    smile = "\U0001f600"
    made = [await make_user(client, name=smile * 199 + end, city=smile * 200) for end in "ab"]
    others = ",".join([f"{n:0>240}" for n in range(7)])
    address = f"/v1/users?{place}&sort=name,city&fields=id,name"
    for column in ("username", "email"):
        address += f"&{column}__in={','.join(user[column] for user in made)},{others}"
    address += f"&city__in={quote(smile * 200)}"
    address += "&city__null=false" * ((MAX_ADDRESS_BYTES - len(address)) // 17)
    found = []
    for _ in made:
        answer = await client.get(address)
        assert answer.status_code == 200, answer.text
        found += [user["id"] for user in answer.json()["items"]]
        following = re.findall('<([^>]*)>; rel="next"', answer.headers.get("link", ""))
        address = following[0] if following else ""
    assert (found, address) == ([user["id"] for user in made], "")


async def test_link_keeps_the_query_as_it_was_sent(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {})
    sent = "status__in=active,pending&sort=-created_at&%63ount=exact&age__null=%74rue"
    answer = await client.get(f"/v1/users?offset=0&{sent}&limit=1")
    address, _, cursor = answer.headers["link"].partition("&cursor=")
    assert (address, cursor != "") == (f"</v1/users?{sent}&limit=1", True)


async def test_address_too_long_without_its_cursor_is_414(client: httpx2.AsyncClient) -> None:
    for query in (f"cursor=x&name={'n' * 8_200}", f"cursor={'x' * 13_000}", "name=" + "<" * 3_000):
        assert (await client.get(f"/v1/users?{query}")).status_code == 414, query[:10]


async def test_cursor_with_other_limit_continues(client: httpx2.AsyncClient) -> None:
    made = await make_users(client, *[{}] * 4)
    cursor = await cursor_of(client, "/v1/users?limit=1&sort=created_at")
    rest = await client.get(f"/v1/users?limit=100&sort=created_at&count=exact&cursor={cursor}")
    assert [user["id"] for user in rest.json()["items"]] == [user["id"] for user in made[1:]]
    assert rest.json()["total"] == 4, "of all pages"


@pytest.mark.parametrize(
    "query",
    [
        "sort=created_at&is_active=true",
        "sort=username&is_active=true",
        "is_active=false",
        "is_active=true&age__gte=1",
        "is_active=true&deleted=true",
        "",
    ],
)
async def test_cursor_of_other_sort_or_filter_is_400(
    client: httpx2.AsyncClient, query: str
) -> None:
    await make_users(client, {}, {})
    cursor = await cursor_of(client, "/v1/users?limit=1&is_active=true")
    assert (await client.get(f"/v1/users?is_active=true&cursor={cursor}")).status_code == 200
    response = await client.get(f"/v1/users?{query}&cursor={cursor}")
    assert (response.status_code, response.json()["code"]) == (400, "bad_cursor")


async def test_cursor_of_other_list_is_400(client: httpx2.AsyncClient) -> None:
    one, other = [await make_post(client) for _ in range(2)]
    for _ in range(2):
        await make_comment(client, one)
    address = f"/v1/posts/{one['id']}/comments?sort=created_at"
    cursor = await cursor_of(client, f"{address}&limit=1")
    assert (await client.get(f"{address}&cursor={cursor}")).status_code == 200
    for list_of_others in (f"/v1/posts/{other['id']}/comments", "/v1/tags", "/v1/users/emails"):
        response = await client.get(f"{list_of_others}?sort=created_at&cursor={cursor}")
        assert (response.status_code, response.json()["code"]) == (400, "bad_cursor")


async def test_cursor_altered_is_400(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {})
    cursor = await cursor_of(client, "/v1/users?limit=1")
    raw = base64.urlsafe_b64decode(cursor)
    flipped = [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :] for at in (0, 15, 16, len(raw) - 2)]
    altered = [base64.urlsafe_b64encode(one).decode() for one in flipped]
    unsigned = base64.urlsafe_b64encode(b'["str", "a", "b"]').decode()
    for bad in (*altered, unsigned, cursor[:-4], cursor[4:], "", "a", "é", "' OR 1=1", "AAAA"):
        response = await client.get("/v1/users", params={"cursor": bad})
        assert (response.status_code, response.json()["code"]) == (400, "bad_cursor"), bad


async def test_limit_too_large_is_reduced(client: httpx2.AsyncClient) -> None:
    await make_users(client, *[{}] * 201)
    for limit, expected in (("1", 1), ("200", 200), ("201", 200), ("9" * 50, 200)):
        body = (await client.get("/v1/users", params={"limit": limit})).json()
        assert (len(body["items"]), body["page"]["limit"]) == (expected, expected)
        assert body["page"]["has_more"] is True


@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "", "1e2"])
async def test_limit_invalid_is_422(client: httpx2.AsyncClient, limit: str) -> None:
    response = await client.get("/v1/users", params={"limit": limit})
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/query/limit"]


@pytest.mark.parametrize("address", ["/v1/users", "/v1/users/emails", "/v1/posts", "/v1/tags"])
async def test_offset_too_large_is_422(client: httpx2.AsyncClient, address: str) -> None:
    assert (await client.get(address, params={"offset": 10_000})).json()["items"] == []
    for offset in ("10001", "-1", "9" * 40, "x"):
        response = await client.get(address, params={"offset": offset})
        assert response.status_code == 422
        assert [error["pointer"] for error in response.json()["errors"]] == ["/query/offset"]


async def test_offset_skips_items(client: httpx2.AsyncClient) -> None:
    made = await make_users(client, *[{}] * 5)
    found = []
    for offset in (0, 2, 4, 6):
        params: dict[str, Any] = {"offset": offset, "limit": 2, "sort": "created_at"}
        found += (await client.get("/v1/users", params=params)).json()["items"]
    assert found == made


async def test_list_empty_is_a_page(client: httpx2.AsyncClient) -> None:
    response = await client.get("/v1/users?count=exact")
    page = {"limit": 50, "next_cursor": None, "has_more": False}
    assert response.json() == {"items": [], "page": page, "total": 0}


async def test_pages_are_stable_under_inserts_and_deletes(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_users(client, *[{"username": f"m{n}"} for n in range(6)])
    first = (await client.get("/v1/users?sort=username&limit=3")).json()
    await make_user(client, username="a-newcomer")
    await client.delete(f"/v1/users/{made[2]['id']}")
    cursor = first["page"]["next_cursor"]
    second = (await client.get(f"/v1/users?sort=username&limit=3&cursor={cursor}")).json()
    assert [user["username"] for user in second["items"]] == ["m3", "m4", "m5"]


async def test_list_ends_on_a_full_page(client: httpx2.AsyncClient) -> None:
    await make_users(client, *[{}] * 4)
    assert [len(page) for page in await iterate_pages(client, "/v1/users", {"limit": 2})] == [2, 2]


async def test_cursor_with_offset_is_an_error(client: httpx2.AsyncClient) -> None:
    await make_users(client, {}, {}, {})
    cursor = (await client.get("/v1/users?limit=1")).json()["page"]["next_cursor"]
    response = await client.get(f"/v1/users?limit=1&cursor={cursor}&offset=1")
    assert response.status_code in (400, 422)


async def test_limit_with_leading_zeros_is_reduced(client: httpx2.AsyncClient) -> None:
    response = await client.get("/v1/users?limit=000000000050")
    assert response.json()["page"]["limit"] == 50
