"""Posts and comments for tests."""

from typing import Any

import httpx2

from tests.relational.users.factories import make_user


async def make_post(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A post by ``author_id``, or by a new user."""
    author = fields.get("author_id") or (await make_user(client))["id"]
    body = {"author_id": author, "title": "A title", **fields}
    response = await client.post("/v1/posts", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def make_comment(
    client: httpx2.AsyncClient, post: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    """A comment on ``post``, by its author unless ``author_id`` is given."""
    body = {"author_id": post["author_id"], "content": "Well said.", **fields}
    response = await client.post(f"/v1/posts/{post['id']}/comments", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made
