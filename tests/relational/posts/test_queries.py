"""Posts with their newest comments nested, alone and in pages."""

import re
from typing import Any

import httpx2
from fastapi import FastAPI
from sqlalchemy import text

from service.auth.caller import Caller
from service.main import State
from service.relational.posts.schemas import NESTED
from tests.fixtures.client import client_as
from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import make_user
from tests.relational.users.statements import recorded_statements

COMMENTS = {"expand": "comments"}


async def test_expand_comments_nests_the_newest_of_each_post(
    client: httpx2.AsyncClient, state: State
) -> None:
    author = (await make_user(client))["id"]
    posts = [await make_post(client, author_id=author, title=str(n)) for n in range(3)]
    for post, count in zip(posts, (0, 2, NESTED + 1), strict=True):
        for n in range(count):
            await make_comment(client, post, content=f"Comment {n}")
    for limit in (1, 3):
        with recorded_statements(state) as statements:
            page = await client.get("/v1/posts", params={**COMMENTS, "limit": limit})
        assert (len(page.json()["items"]), len(statements)) == (limit, 1)
    for post in page.json()["items"]:
        address = f"/v1/posts/{post['id']}"
        newest: dict[str, Any] = {"sort": "-created_at", "limit": NESTED}
        listed = (await client.get(f"{address}/comments", params=newest)).json()["items"]
        shown = ("id", "author_id", "content", "created_at", "updated_at")
        assert post["comments"] == [{name: one[name] for name in shown} for one in listed]
        assert (await client.get(address, params=COMMENTS)).json() == post
    assert [len(post["comments"]) for post in page.json()["items"]] == [NESTED, 2, 0]
    both = (await client.get("/v1/posts", params={"expand": "comments,author,tags"})).json()
    assert {"author", "tags", "comments"} <= both["items"][0].keys()


async def test_expand_comments_goes_with_fields(client: httpx2.AsyncClient) -> None:
    post = await make_post(client)
    comment = await make_comment(client, post)
    query = {**COMMENTS, "fields": "id,comments"}
    one = (await client.get(f"/v1/posts/{post['id']}", params=query)).json()
    assert one.keys() == {"id", "comments"}
    assert [nested["id"] for nested in one["comments"]] == [comment["id"]]
    for address in ("/v1/posts", f"/v1/users/{post['author_id']}/posts"):
        assert (await client.get(address, params=query)).json()["items"] == [one]
    alone = await client.get(f"/v1/posts/{post['id']}", params={"fields": "id,comments"})
    assert alone.json() == {"id": post["id"]}


async def test_expand_is_documented_as_it_is_read(client: httpx2.AsyncClient, app: FastAPI) -> None:
    post = await make_post(client)
    for path, address in (("/v1/posts", "/v1/posts"), ("/v1/posts/{post_id}", post["id"])):
        parameters = app.openapi()["paths"][path]["get"]["parameters"]
        pattern = next(one["schema"]["pattern"] for one in parameters if one["name"] == "expand")
        for value in ("author", "comments,tags", "tags,tags", "", "tags,", "posts", "tags author"):
            url = address if address.startswith("/") else f"/v1/posts/{address}"
            status = (await client.get(url, params={"expand": value})).status_code
            assert (status == 200) == bool(re.search(pattern, value)), value


async def test_expand_comments_etag_changes_with_a_comment(client: httpx2.AsyncClient) -> None:
    post = await make_post(client)
    comment = await make_comment(client, post)
    address = f"/v1/posts/{post['id']}"
    copy = {"If-None-Match": (await client.get(address, params=COMMENTS)).headers["etag"]}
    assert (await client.get(address, params=COMMENTS, headers=copy)).status_code == 304
    await client.patch(f"{address}/comments/{comment['id']}", json={"content": "Other"})
    again = await client.get(address, params=COMMENTS, headers=copy)
    assert (again.status_code, again.json()["comments"][0]["content"]) == (200, "Other")


async def test_expand_comments_needs_the_scope_to_read_them(
    client: httpx2.AsyncClient, app: FastAPI, state: State
) -> None:
    post = await make_post(client, published=True)
    async with client_as(Caller(None, frozenset({"posts:read"})), app, state) as reading:
        for address in ("/v1/posts", f"/v1/posts/{post['id']}"):
            refused = await reading.get(address, params=COMMENTS)
            assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
            assert (await reading.get(address)).status_code == 200


async def test_expand_comments_of_large_pages_ends_early(
    client: httpx2.AsyncClient, state: State
) -> None:
    """Comments count as the content does: short posts with many long ones exceed 8 MiB."""
    author = (await make_user(client))["id"]
    items = [{"title": "Short", "author_id": author}] * 11
    posts = (await client.post("/v1/posts/bulk", json={"items": items})).json()["items"]
    comments = text(
        "INSERT INTO comments (id, post_id, author_id, content) SELECT gen_random_uuid(), id, "
        "author_id, repeat('\N{GRINNING FACE}', 10000) FROM posts, generate_series(1, :nested)"
    )
    async with state["sql"].engine.begin() as connection:
        await connection.execute(comments, {"nested": NESTED})
    found: list[Any] = []
    query: dict[str, Any] = {**COMMENTS, "limit": 200}
    while True:
        page = (await client.get("/v1/posts", params=query)).json()
        found += page["items"]
        if not page["page"]["has_more"]:
            break
        query["cursor"] = page["page"]["next_cursor"]
    assert query.keys() >= {"cursor"}
    assert [post["id"] for post in found] == [post["id"] for post in reversed(posts)]
    assert {len(post["comments"]) for post in found} == {NESTED}
