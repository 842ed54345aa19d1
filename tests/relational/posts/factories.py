"""Posts and comments for tests."""

from typing import Any

import httpx2

from tests.relational.users.factories import make_user


async def make_post(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Create a post of ``author_id`` or of a new user."""
    author = fields.get("author_id") or (await make_user(client))["id"]
    body = {"author_id": author, "title": "A title", **fields}
    response = await client.post("/v1/posts", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def make_comment(
    client: httpx2.AsyncClient, post: dict[str, Any], **fields: Any
) -> dict[str, Any]:
    """Create a comment of ``author_id``; the default is the author of the post."""
    body = {"author_id": post["author_id"], "content": "A comment.", **fields}
    response = await client.post(f"/v1/posts/{post['id']}/comments", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made
