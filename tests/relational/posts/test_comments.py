"""The comments of a post."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import iterate_pages, make_user


async def test_comment_is_created_read_changed_and_removed(client: httpx2.AsyncClient) -> None:
    post, reader = await make_post(client), await make_user(client)
    body = {"author_id": reader["id"], "content": "A comment."}
    response = await client.post(f"/v1/posts/{post['id']}/comments", json=body)
    made = response.json()
    assert response.status_code == 201
    assert made.items() >= {**body, "post_id": post["id"], "version": 1}.items()
    address = response.headers["location"]
    assert (await client.get(address)).json() == made
    stale = {"If-Match": '"9"'}
    assert (await client.patch(address, json={"content": "x"}, headers=stale)).status_code == 412
    assert (await client.delete(address, headers=stale)).status_code == 412
    changed = await client.patch(address, json={"content": "Better."}, headers={"If-Match": '"1"'})
    assert (changed.json()["content"], changed.headers["etag"]) == ("Better.", '"2"')
    assert (await client.delete(address)).status_code == 204
    assert (await client.get(address)).json()["code"] == "comment_not_found"


async def test_comment_list_is_in_order_of_creation(
    client: httpx2.AsyncClient,
) -> None:
    post, other = await make_post(client), await make_post(client)
    made = [await make_comment(client, post, content=str(n)) for n in range(7)]
    await make_comment(client, other)
    pages = await iterate_pages(client, f"/v1/posts/{post['id']}/comments", {"limit": 3})
    assert [comment for page in pages for comment in page] == made


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_comment_under_another_post_is_not_found(
    client: httpx2.AsyncClient, method: str
) -> None:
    comment, other = await make_comment(client, await make_post(client)), await make_post(client)
    body = {"content": "x"} if method == "PATCH" else None
    for post_id in (other["id"], uuid4()):
        address = f"/v1/posts/{post_id}/comments/{comment['id']}"
        answer = await client.request(method, address, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "comment_not_found")


async def test_comment_requires_existing_post_and_author(client: httpx2.AsyncClient) -> None:
    post = await make_post(client)
    body = {"author_id": post["author_id"], "content": "x"}
    answer = await client.post(f"/v1/posts/{uuid4()}/comments", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "post_not_found")
    body["author_id"] = str(uuid4())
    answer = await client.post(f"/v1/posts/{post['id']}/comments", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "author_unknown")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/author_id"]


@pytest.mark.parametrize("content", ["", "c" * 10_001, None, 5])
async def test_comment_invalid_content_is_refused(client: httpx2.AsyncClient, content: Any) -> None:
    post = await make_post(client)
    comment = await make_comment(client, post)
    address = f"/v1/posts/{post['id']}/comments"
    body = {"author_id": post["author_id"], "content": content}
    for answer in (
        await client.post(address, json=body),
        await client.patch(f"{address}/{comment['id']}", json={"content": content}),
    ):
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/content"]
