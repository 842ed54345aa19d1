"""Pages in a stable order, counts, and changes of one version by many."""

import asyncio
from collections import Counter

import httpx2
import pytest

from tests.relational.posts.factories import make_post
from tests.relational.users.factories import iterate_pages, make_user, make_users, send_all


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_ties_are_neither_lost_nor_repeated(client: httpx2.AsyncClient, sort: str) -> None:
    """Made in one transaction, all have one ``created_at``: only the id tells them apart."""
    made = await make_users(client, *[{}] * 60)
    made += await make_users(client, *[{}] * 40)
    assert len({user["created_at"] for user in made}) <= 2
    pages = await iterate_pages(client, "/v1/users", {"sort": sort, "limit": 7})
    found = [user["id"] for page in pages for user in page]
    assert found == sorted((user["id"] for user in made), reverse=sort.startswith("-"))


@pytest.mark.parametrize("sort", ["views", "-views"])
async def test_few_values_over_many_rows_page_in_order(
    client: httpx2.AsyncClient, sort: str
) -> None:
    author = await make_user(client)
    for views in (0, 0, 0, 0, 1, 1, 1, 2):
        post = await make_post(client, author_id=author["id"])
        for _ in range(views):
            await client.post(f"/v1/posts/{post['id']}/views")
    pages = await iterate_pages(client, "/v1/posts", {"sort": sort, "limit": 3})
    keys = [(post["views"], post["id"]) for page in pages for post in page]
    assert keys == sorted(set(keys), reverse=sort.startswith("-"))
    assert len(keys) == 8


@pytest.mark.parametrize("sort", ["username", "-username"])
async def test_names_page_in_the_order_of_the_alphabet(
    client: httpx2.AsyncClient, sort: str
) -> None:
    names = ["b", "B1", "a-b", "a.b", "a_b", "ab", "a1", "Zz", "zz.top"]
    await make_users(client, *[{"username": f"{name}x"} for name in names])
    pages = await iterate_pages(client, "/v1/users", {"sort": sort, "limit": 2})
    found = [user["username"] for page in pages for user in page]
    assert found == sorted((f"{name}x" for name in names), reverse=sort.startswith("-"))


async def test_a_list_is_counted_only_if_asked(client: httpx2.AsyncClient) -> None:
    await make_users(client, *[{"age": n % 2} for n in range(10)])
    totals = {}
    for how in ("none", "exact", "estimated"):
        body = (await client.get(f"/v1/users?age=1&limit=2&count={how}")).json()
        totals[how] = body["total"]
        assert len(body["items"]) == 2
    assert (totals["none"], totals["exact"]) == (None, 5)
    assert isinstance(totals["estimated"], int)


@pytest.mark.parametrize(
    "query",
    ["q=x%27y&name__prefix=a%25", "city=x&created_at__lt=2026-01-01T00:00:00Z", "deleted=1"],
)
async def test_an_estimate_takes_every_filter(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/v1/users?count=estimated&{query}")
    assert answer.status_code == 200
    assert answer.json()["total"] >= 0


async def test_of_64_changes_of_one_version_one_wins(client: httpx2.AsyncClient) -> None:
    address = f"/v1/users/{(await make_user(client))['id']}"
    headers = {"If-Match": '"1"'}
    bodies = [{"json": {"age": age}, "headers": headers} for age in range(64)]
    answers = await send_all(client, "PATCH", address, *bodies)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 63}
    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert (await client.get(address)).json() == winner
    assert winner["version"] == 2


async def test_no_change_is_lost_when_nobody_minds_the_version(
    client: httpx2.AsyncClient,
) -> None:
    address = f"/v1/users/{(await make_user(client))['id']}"
    answers = await send_all(client, "PATCH", address, *({"json": {"age": n}} for n in range(32)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 34))


async def test_of_a_change_and_a_removal_of_one_version_one_wins(
    client: httpx2.AsyncClient,
) -> None:
    for _ in range(8):
        address = f"/v1/posts/{(await make_post(client))['id']}"
        match = {"If-Match": '"1"'}
        change, removal = await asyncio.gather(
            client.patch(address, json={"title": "x"}, headers=match),
            client.delete(address, headers=match),
        )
        assert (change.status_code, removal.status_code) in {(200, 412), (404, 204)}
