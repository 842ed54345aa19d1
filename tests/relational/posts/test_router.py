"""Routes of posts: success and errors."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import make_user, make_users


async def test_create_returns_complete_post(client: httpx2.AsyncClient) -> None:
    author = await make_user(client, name="Ada")
    body = {"author_id": author["id"], "title": "Größe & Maß!", "content": "c", "tags": ["b", "A"]}
    response = await client.post("/v1/posts", json=body)
    made = response.json()
    assert (response.status_code, made["version"], made["slug"]) == (201, 1, "grosse-mass")
    assert (made["published"], made["published_at"], made["views"]) == (False, None, 0)
    address = response.headers["location"]
    plain = await client.get(address)
    assert (plain.json(), plain.headers["etag"]) == (made, response.headers["etag"])
    assert not {"author", "tags"} & set(made), "nested only on request"
    nested = (await client.get(address, params={"expand": "tags,author"})).json()
    assert nested["author"] == {"id": author["id"], "username": author["username"], "name": "Ada"}
    assert [tag["name"] for tag in nested["tags"]] == ["A", "b"]


async def test_patch_changes_named_fields_and_replaces_tags(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_post(client, content="old", tags=["a", "b"])
    address = f"/v1/posts/{made['id']}"
    changed = (await client.patch(address, json={"title": "New", "tags": ["B", "c", "C"]})).json()
    expected = {"title": "New", "version": 2, "updated_at": changed["updated_at"]}
    assert changed == {**made, **expected}
    tags = (await client.get(address, params={"expand": "tags"})).json()["tags"]
    assert [tag["name"] for tag in tags] == ["C", "b"]
    await client.patch(address, json={"tags": []})
    assert (await client.get(address, params={"expand": "tags"})).json()["tags"] == []


async def test_publish_twice_keeps_first_date(client: httpx2.AsyncClient) -> None:
    made = await make_post(client)
    address = f"/v1/posts/{made['id']}"
    first = (await client.post(f"{address}/publish")).json()
    assert first["published"] is True
    assert first["published_at"] is not None
    again = (await client.post(f"{address}/publish")).json()
    assert again["published_at"] == first["published_at"]
    withdrawn = (await client.post(f"{address}/unpublish")).json()
    assert (withdrawn["published"], withdrawn["published_at"]) == (False, None)
    assert (await make_post(client, published=True))["published_at"] is not None


async def test_patch_published_does_what_publish_does(client: httpx2.AsyncClient) -> None:
    made = await make_post(client)
    address = f"/v1/posts/{made['id']}"
    first = (await client.patch(address, json={"published": True, "title": "New"})).json()
    assert (first["published"], first["title"], first["version"]) == (True, "New", 2)
    assert first["published_at"] is not None
    for answer in (
        await client.patch(address, json={"published": True}),
        await client.post(f"{address}/publish"),
        await client.put(address, json={"title": "New", "published": True}),
    ):
        assert answer.json()["published_at"] == first["published_at"], "it keeps its date"
    withdrawn = (await client.patch(address, json={"published": False})).json()
    assert (withdrawn["published"], withdrawn["published_at"]) == (False, None)
    refused = await client.patch(address, json={"published": None})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/published")


async def test_put_replaces_all_but_what_the_author_does_not_write(
    client: httpx2.AsyncClient,
) -> None:
    made = await make_post(client, content="old", slug="mine", published=True, tags=["a"])
    await client.post(f"/v1/posts/{made['id']}/views")
    address = f"/v1/posts/{made['id']}"
    stale = await client.put(address, json={"title": "No"}, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    sent = {"title": "New", "author_id": made["author_id"]}
    answer = await client.put(address, json=sent, headers={"If-Match": '"1"'})
    replaced = answer.json()
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2.1"')
    assert replaced == {
        **made, "title": "New", "content": "", "published": False, "published_at": None,
        "views": 1, "version": 2, "updated_at": replaced["updated_at"],
    }  # fmt: skip
    assert (await client.get(address, params={"expand": "tags"})).json()["tags"] == []
    again = await client.put(address, json=sent)
    assert again.json() == {**replaced, "version": 3, "updated_at": again.json()["updated_at"]}
    other = (await make_user(client))["id"]
    moved = await client.put(address, json={**sent, "title": "Moved", "author_id": other})
    assert (moved.status_code, moved.json()["code"]) == (409, "author_fixed")
    assert (await client.get(address)).json() == again.json()


async def test_view_changes_etag_but_not_version(client: httpx2.AsyncClient) -> None:
    made = await make_post(client)
    address = f"/v1/posts/{made['id']}"
    etag = (await client.get(address)).headers["etag"]
    viewed = await client.post(f"{address}/views")
    assert viewed.status_code == 200
    assert viewed.json() == {**made, "views": 1}
    again = await client.get(address, headers={"If-None-Match": etag})
    assert (again.status_code, again.json()["views"]) == (200, 1)
    edited = await client.patch(address, json={"title": "T"}, headers={"If-Match": etag})
    assert edited.status_code == 200, "views do not affect If-Match"


async def test_remove_deletes_comments_and_keeps_tags(
    client: httpx2.AsyncClient,
) -> None:
    post = await make_post(client, tags=["kept"])
    comment = await make_comment(client, post)
    assert (await client.delete(f"/v1/posts/{post['id']}")).status_code == 204
    gone = await client.get(f"/v1/posts/{post['id']}/comments/{comment['id']}")
    assert gone.status_code == 404
    assert [tag["name"] for tag in (await client.get("/v1/tags")).json()["items"]] == ["kept"]


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"title": "x", "tags": ["x"]}),
        ("PUT", "", {"title": "x", "tag_ids": [str(uuid4())]}),
        ("DELETE", "", None),
        ("POST", "/publish", None),
        ("POST", "/unpublish", None),
        ("POST", "/views", None),
        ("GET", "/comments", None),
    ],
)
async def test_post_unknown_id_is_not_found(
    client: httpx2.AsyncClient, method: str, tail: str, body: Any
) -> None:
    answer = await client.request(method, f"/v1/posts/{uuid4()}{tail}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "post_not_found")
    odd = await client.request(method, f"/v1/posts/x{tail}", json=body)
    assert (odd.status_code, odd.json()["errors"][0]["pointer"]) == (422, "/path/post_id")


async def test_create_unknown_author_conflicts(client: httpx2.AsyncClient) -> None:
    body = {"author_id": str(uuid4()), "title": "T", "tags": ["never made"]}
    answer = await client.post("/v1/posts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "author_unknown")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/author_id"]
    assert (await client.get("/v1/tags")).json()["items"] == []


async def test_create_taken_slug_conflicts(client: httpx2.AsyncClient) -> None:
    one, other = await make_post(client, slug="one"), await make_post(client, slug="other")
    body = {"author_id": one["author_id"], "title": "T", "slug": "one"}
    for answer in (
        await client.post("/v1/posts", json=body),
        await client.put(f"/v1/posts/{other['id']}", json={"title": "T", "slug": "one"}),
        await client.patch(f"/v1/posts/{other['id']}", json={"slug": "one"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "slug_taken")
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/slug"]


@pytest.mark.parametrize(
    ("field", "value", "pointer"),
    [
        ("author_id", "7", "/author_id"),
        ("title", "", "/title"),
        ("title", "t" * 201, "/title"),
        ("slug", "Not-Lower", "/slug"),
        ("slug", "a--b", "/slug"),
        ("slug", "a" * 121, "/slug"),
        ("content", "c" * 100_001, "/content"),
        ("published", "yes", "/published"),
        ("published_at", "2026-01-01T00:00:00Z", "/published_at"),
        ("views", 10, "/views"),
        ("tags", "a,b", "/tags"),
        ("tags", ["a", ""], "/tags/1"),
        ("tags", ["a", 7], "/tags/1"),
        ("tags", [str(n) for n in range(21)], "/tags"),
        ("tag_ids", "x", "/tag_ids"),
        ("tag_ids", [str(uuid4()), "x"], "/tag_ids/1"),
        ("tag_ids", [str(uuid4()) for _ in range(21)], "/tag_ids"),
    ],
)
async def test_create_field_out_of_bounds_is_refused_with_pointer(
    client: httpx2.AsyncClient, field: str, value: Any, pointer: str
) -> None:
    made = await make_post(client)
    body = {"author_id": made["author_id"], "title": "T", field: value}
    for answer in (
        await client.post("/v1/posts", json=body),
        await client.put(f"/v1/posts/{made['id']}", json=body),
        await client.patch(f"/v1/posts/{made['id']}", json={field: value}),
    ):
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_user_posts_list_holds_posts_of_that_user_only(client: httpx2.AsyncClient) -> None:
    one, other = await make_users(client, {}, {})
    posts = [await make_post(client, author_id=one["id"], published=n > 0) for n in range(3)]
    await make_post(client, author_id=other["id"])
    address = f"/v1/users/{one['id']}/posts"
    listed = (await client.get(address, params={"sort": "created_at", "limit": 2})).json()
    assert [post["id"] for post in listed["items"]] == [post["id"] for post in posts[:2]]
    rest = await client.get(
        address, params={"sort": "created_at", "cursor": listed["page"]["next_cursor"]}
    )
    assert [post["id"] for post in rest.json()["items"]] == [posts[2]["id"]]
    drafts = (await client.get(address, params={"published": "false"})).json()["items"]
    assert [post["id"] for post in drafts] == [posts[0]["id"]]
    contradiction = await client.get(address, params={"author_id": other["id"]})
    assert contradiction.status_code == 400, "the path already names the author"
    unknown = await client.get(f"/v1/users/{uuid4()}/posts")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")


@pytest.mark.parametrize("expand", ["", "author,", "comment", "author tags"])
async def test_expand_unknown_name_is_refused(client: httpx2.AsyncClient, expand: str) -> None:
    made = await make_post(client)
    for address in ("/v1/posts", f"/v1/posts/{made['id']}", f"/v1/users/{made['author_id']}/posts"):
        answer = await client.get(address, params={"expand": expand})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/query/expand")


async def test_expanded_etag_changes_with_nested_object(
    client: httpx2.AsyncClient,
) -> None:
    author = await make_user(client, name="Before")
    post = await make_post(client, author_id=author["id"], tags=["a"])
    address = f"/v1/posts/{post['id']}?expand=author,tags"
    etag = (await client.get(address)).headers["etag"]
    await client.patch(f"/v1/users/{author['id']}", json={"name": "After"})
    again = await client.get(address, headers={"If-None-Match": etag})
    assert again.status_code == 200
    assert again.json()["author"]["name"] == "After"


async def test_create_deleted_author_conflicts(client: httpx2.AsyncClient) -> None:
    author = await make_user(client)
    await client.delete(f"/v1/users/{author['id']}")
    body: dict[str, Any] = {"author_id": author["id"], "title": "From beyond"}
    assert (await client.post("/v1/posts", json=body)).status_code == 409
