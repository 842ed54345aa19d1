"""A user with their posts nested: bounds, order, ETag, and who sees which posts."""

from typing import Any

import httpx2
from fastapi import FastAPI

from service.auth.caller import Caller
from service.main import State
from service.relational.posts.schemas import NESTED
from tests.fixtures.client import client_as, member_caller
from tests.relational.posts.factories import make_post
from tests.relational.users.factories import make_user
from tests.relational.users.statements import recorded_statements

POSTS = {"expand": "posts"}


async def test_expand_posts_nests_the_newest_in_the_order_of_the_list(
    client: httpx2.AsyncClient, state: State
) -> None:
    author, other = await make_user(client), await make_user(client)
    address = f"/v1/users/{author['id']}"
    assert (await client.get(address, params=POSTS)).json() == {**author, "posts": []}
    items = [{"title": f"Post {n}", "author_id": author["id"]} for n in range(NESTED + 2)]
    await client.post("/v1/posts/bulk", json={"items": items})
    await make_post(client, author_id=other["id"])
    with recorded_statements(state) as statements:
        nested = (await client.get(address, params=POSTS)).json()
    assert len(statements) == 1
    listed = (await client.get(f"{address}/posts", params={"limit": NESTED})).json()["items"]
    shown = nested["posts"][0].keys()
    assert {"id", "title", "published", "version"} <= shown
    assert "content" not in shown
    assert nested["posts"] == [{name: post[name] for name in shown} for post in listed]
    assert (await client.get(address)).json() == author, "nested only on request"
    some = (await client.get(address, params={**POSTS, "fields": "id,posts"})).json()
    assert some == {"id": author["id"], "posts": nested["posts"]}


async def test_expand_posts_shows_a_stranger_published_posts_alone(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    author = await make_user(client)
    for title, published in (("Draft", False), ("Public", True)):
        await make_post(client, author_id=author["id"], title=title, published=published)
    reader = frozenset({"users:read", "users:admin", "posts:read"})
    callers: dict[tuple[str, ...], Caller] = {
        ("Public",): Caller(None, reader),
        ("Public", "Draft"): member_caller(author["id"]),
    }
    for titles, caller in callers.items():
        async with client_as(caller, app, state) as reading:
            answer = await reading.get(f"/v1/users/{author['id']}", params=POSTS)
        assert tuple(post["title"] for post in answer.json()["posts"]) == titles
    without = Caller(None, reader - {"posts:read"})
    async with client_as(without, app, state) as reading:
        refused = await reading.get(f"/v1/users/{author['id']}", params=POSTS)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
        assert (await reading.get(f"/v1/users/{author['id']}")).status_code == 200


async def test_expand_posts_etag_changes_with_a_post(client: httpx2.AsyncClient) -> None:
    author = await make_user(client)
    post = await make_post(client, author_id=author["id"])
    address = f"/v1/users/{author['id']}"
    plain, nested = await client.get(address), await client.get(address, params=POSTS)
    assert plain.headers["etag"] != nested.headers["etag"]
    copy = {"If-None-Match": nested.headers["etag"]}
    assert (await client.get(address, params=POSTS, headers=copy)).status_code == 304
    await client.patch(f"/v1/posts/{post['id']}", json={"title": "Another"})
    assert (await client.get(address, params=POSTS, headers=copy)).status_code == 200
    expected = {"If-Match": nested.headers["etag"]}
    assert (await client.patch(address, json={"age": 3}, headers=expected)).status_code == 200


async def test_expand_of_a_user_refuses_other_names(client: httpx2.AsyncClient) -> None:
    author = await make_user(client)
    bad: dict[str, Any]
    for bad, status in (({"expand": "comments"}, 422), ({"expand": ""}, 422), ({"exp": "x"}, 400)):
        answer = await client.get(f"/v1/users/{author['id']}", params=bad)
        assert answer.status_code == status
        assert answer.json()["errors"][0]["pointer"] == f"/query/{next(iter(bad))}"
