"""Posts of deleted users are seen by administrators alone, until the user is restored."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.fixtures.client import client_as, member_caller
from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import make_user


@pytest.fixture
async def reader(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> AsyncIterator[httpx2.AsyncClient]:
    """A member who wrote nothing."""
    async with client_as(member_caller((await make_user(client))["id"]), app, state) as speaking:
        yield speaking


@pytest.fixture
async def author(client: httpx2.AsyncClient) -> dict[str, Any]:
    return await make_user(client)


async def count_visible(client: httpx2.AsyncClient, author_id: str) -> dict[str, int]:
    """Return how many posts each list shows and counts."""
    found = {}
    for query in (
        "", "author_id=" + author_id, "q=seldom", "tag=rare", "published=true", "sort=-views",
        "sort=committed", "expand=author,tags", "fields=id",
    ):  # fmt: skip
        answer = await client.get(f"/v1/posts?count=exact&{query}")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["total"] == len(body["items"]), query
        found[query] = body["total"]
    return found


async def test_posts_of_a_deleted_user_are_hidden_until_the_restore(
    client: httpx2.AsyncClient, reader: httpx2.AsyncClient, author: dict[str, Any]
) -> None:
    post = await make_post(
        client, author_id=author["id"], title="Seldom", tags=["rare"], published=True
    )
    comment = await make_comment(client, post, author_id=(await make_user(client))["id"])
    path = f"/v1/posts/{post['id']}"
    singles = [
        path,
        f"{path}?expand=author",
        f"{path}/comments",
        f"{path}/comments/{comment['id']}",
    ]
    assert set((await count_visible(reader, author["id"])).values()) == {1}
    etag = (await reader.get(path)).headers["etag"]
    assert (await client.delete(f"/v1/users/{author['id']}")).status_code == 204
    assert set((await count_visible(reader, author["id"])).values()) == {0}
    assert {(await reader.get(single)).status_code for single in singles} == {404}
    assert (await reader.get(path, headers={"If-None-Match": etag})).status_code == 404
    assert (await reader.post(f"{path}/views")).status_code == 404
    answer = await reader.post(f"{path}/comments", json={"content": "x"})
    assert answer.status_code == 404
    assert set((await count_visible(client, author["id"])).values()) == {1}, "administrators see it"
    assert {(await client.get(single)).status_code for single in singles} == {200}
    assert (await client.post(f"/v1/users/{author['id']}/restore")).status_code == 200
    assert set((await count_visible(reader, author["id"])).values()) == {1}
    assert {(await reader.get(single)).status_code for single in singles} == {200}


async def test_large_post_of_a_deleted_user_is_hidden(
    client: httpx2.AsyncClient, reader: httpx2.AsyncClient, author: dict[str, Any]
) -> None:
    """Large rows are read apart from their page."""
    await make_post(client, author_id=author["id"], content="x" * 20_000, published=True)
    assert len((await reader.get("/v1/posts")).json()["items"]) == 1
    await client.delete(f"/v1/users/{author['id']}")
    assert (await reader.get("/v1/posts")).json()["items"] == []


async def test_comment_of_a_deleted_user_on_posts_of_others_stays(
    client: httpx2.AsyncClient, reader: httpx2.AsyncClient, author: dict[str, Any]
) -> None:
    post = await make_post(client, published=True)
    comment = await make_comment(client, post, author_id=author["id"])
    await client.delete(f"/v1/users/{author['id']}")
    listed = (await reader.get(f"/v1/posts/{post['id']}/comments")).json()["items"]
    assert listed == [comment]


async def test_posts_of_others_stay_among_posts_of_deleted_users(
    client: httpx2.AsyncClient, reader: httpx2.AsyncClient, author: dict[str, Any]
) -> None:
    for _ in range(3):
        await make_post(client, author_id=author["id"], published=True)
    kept = await make_post(client, published=True)
    await client.delete(f"/v1/users/{author['id']}")
    page = (await reader.get("/v1/posts?limit=1")).json()
    assert [post["id"] for post in page["items"]] == [kept["id"]]
    assert page["page"]["has_more"] is False
