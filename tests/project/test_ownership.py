"""Lists hold own and public objects and no others."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.auth.caller import Caller
from service.auth.roles import scopes_of
from service.main import State
from tests.auth.factories import create_user
from tests.documents.items.factories import make_item
from tests.fixtures.client import client_as, client_for, member_caller
from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import make_user, user_body


@pytest.fixture
async def two_members(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Two members."""
    ids = [(await make_user(client))["id"] for _ in range(2)]
    async with (
        client_as(member_caller(ids[0]), app, state) as one,
        client_as(member_caller(ids[1]), app, state) as other,
    ):
        yield one, other


async def listed(client: httpx2.AsyncClient, path: str, **query: Any) -> list[Any]:
    answer = await client.get(path, params={"count": "exact", **query})
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    assert answer.json()["total"] == len(found), "what is not shown is not counted either"
    return found


async def make_own_post(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/posts", json={"title": "A title", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_users_see_themselves_alone(
    two_members: tuple[httpx2.AsyncClient, httpx2.AsyncClient], client: httpx2.AsyncClient
) -> None:
    one, _ = two_members
    (me,) = await listed(one, "/v1/users")
    assert me["id"] == (await one.get(f"/v1/users/{me['id']}")).json()["id"]
    assert await listed(one, "/v1/users", deleted=True) == []
    assert len(await listed(client, "/v1/users")) == 2


async def test_drafts_are_listed_for_their_author_and_for_editors(
    two_members: tuple[httpx2.AsyncClient, httpx2.AsyncClient], app: FastAPI, state: State
) -> None:
    one, other = two_members
    draft = await make_own_post(one, tags=["secret plans"])
    public = await make_own_post(one, published=True)
    of_author = f"/v1/users/{draft['author_id']}/posts"
    for path, query in (
        ("/v1/posts", {}),
        ("/v1/posts", {"author_id": draft["author_id"]}),
        ("/v1/posts", {"q": "title"}),
        (of_author, {}),
    ):
        assert {post["id"] for post in await listed(one, path, **query)} == {
            draft["id"],
            public["id"],
        }
        assert [post["id"] for post in await listed(other, path, **query)] == [public["id"]]
    assert await listed(other, "/v1/posts", published=False) == []
    assert await listed(other, "/v1/posts", tag="secret plans") == []
    editor = member_caller((await create_user(state, "editor")).id, "editor")
    async with client_as(editor, app, state) as editing:
        assert len(await listed(editing, "/v1/posts")) == 2


async def test_an_unpublished_post_takes_its_comments_along(
    two_members: tuple[httpx2.AsyncClient, httpx2.AsyncClient], client: httpx2.AsyncClient
) -> None:
    one, other = two_members
    post = await make_own_post(one, published=True)
    comment = await make_comment(client, post)
    address = f"/v1/posts/{post['id']}/comments"
    assert len(await listed(other, address)) == 1
    assert (await one.post(f"/v1/posts/{post['id']}/unpublish")).status_code == 200
    for path in (address, f"{address}/{comment['id']}"):
        assert (await other.get(path)).status_code == 404
    etag = {"If-None-Match": '"1"'}
    assert (await other.get(f"{address}/{comment['id']}", headers=etag)).status_code == 404


async def test_items_are_listed_for_their_owner(
    two_members: tuple[httpx2.AsyncClient, httpx2.AsyncClient], client: httpx2.AsyncClient
) -> None:
    one, other = two_members
    mine, theirs = await make_item(one, tags=["t"]), await make_item(other, tags=["t"])
    await make_item(client)  # without an owner, as items of callers that are no user
    assert [item["id"] for item in await listed(one, "/v1/items", tag="t")] == [mine["id"]]
    anything = {"where": {"or": [{"field": "name", "op": "exists", "value": True}]}}
    found = (await one.post("/v1/items/search", json=anything)).json()["items"]
    assert [item["id"] for item in found] == [mine["id"]]
    assert (await other.delete(f"/v1/items/{theirs['id']}")).status_code == 204
    assert (await one.post(f"/v1/items/{theirs['id']}/restore")).status_code == 404
    assert await listed(one, "/v1/items", deleted=True) == []
    assert len(await listed(client, "/v1/items")) == 2


async def test_cursor_of_another_user_shows_none_of_their_items(
    two_members: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    one, other = two_members
    for _ in range(3):
        await make_item(one)
    await make_item(other)
    page = (await one.get("/v1/items", params={"limit": 1})).json()["page"]
    answer = await other.get("/v1/items", params={"limit": 1, "cursor": page["next_cursor"]})
    owners = {item["owner_id"] for item in answer.json().get("items", ())}
    assert owners <= {(await listed(other, "/v1/items"))[0]["owner_id"]}


async def test_an_idempotency_key_belongs_to_its_caller(
    two_members: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    one, _ = two_members
    for path, body in (("/v1/posts", {"title": "Same"}), ("/v1/items", {"name": "same"})):
        answers = [
            await member.post(path, json=body, headers={"Idempotency-Key": "same"})
            for member in two_members
        ]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json()["id"] != answers[1].json()["id"]
        assert "idempotency-replayed" not in answers[1].headers
        again = await one.post(path, json=body, headers={"Idempotency-Key": "same"})
        assert again.json()["id"] == answers[0].json()["id"]


async def test_member_creates_posts_only_as_their_author(
    two_members: tuple[httpx2.AsyncClient, httpx2.AsyncClient], client: httpx2.AsyncClient
) -> None:
    one, _ = two_members
    (me,) = await listed(one, "/v1/users")
    assert (await make_own_post(one))["author_id"] == me["id"]
    assert (await make_own_post(one, author_id=me["id"]))["author_id"] == me["id"]
    other_user = (await make_post(client))["author_id"]
    refused = await one.post("/v1/posts", json={"title": "x", "author_id": other_user})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (403, "/author_id")


async def test_caller_with_fewer_scopes_cannot_grant_or_take_over_a_role(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> None:
    user = await make_user(client)
    admin_client = await create_user(state, "admin")
    users_alone = frozenset({"users:read", "users:write", "users:admin"})
    by_key = Caller(admin_client.id, scopes_of("admin"), key_id=admin_client.login_id)
    for caller in (Caller(admin_client.id, users_alone), by_key):
        async with client_as(caller, app, state) as narrow:
            for refused in (
                await narrow.patch(f"/v1/users/{user['id']}", json={"role": "admin"}),
                await narrow.patch(f"/v1/users/{admin_client.id}", json={"password": "taken over"}),
                await narrow.patch(f"/v1/users/{admin_client.id}", json={"role": "member"}),
                await narrow.post("/v1/users", json=user_body(role="editor")),
                await narrow.post("/v1/users/bulk", json={"items": [user_body(role="admin")]}),
            ):
                assert (refused.status_code, refused.json()["code"]) == (403, "role_too_strong")


async def test_two_newcomers_never_meet_in_an_idempotency_key(
    app: FastAPI, state: State, anonymous_client: httpx2.AsyncClient
) -> None:
    key = {"Idempotency-Key": "1"}
    assert (
        await anonymous_client.post("/v1/users", json=user_body(), headers=key)
    ).status_code == 201
    async with client_for(app, state, client=("10.9.9.9", 1)) as elsewhere:
        answer = await elsewhere.post("/v1/users", json=user_body(), headers=key)
    assert answer.status_code == 201
