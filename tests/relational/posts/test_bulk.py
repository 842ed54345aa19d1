"""Bulk requests of posts: ownership, slugs, tags and number of statements."""

import asyncio
import random
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.fixtures.client import client_as, member_caller
from tests.relational.posts.factories import make_comment, make_post
from tests.relational.tags.factories import make_tag
from tests.relational.users.factories import make_user
from tests.relational.users.statements import recorded_statements
from tests.web.bulk import NON_ATOMIC, deadlocks, item_results, status_code_places

POSTS, BULK = "/v1/posts", "/v1/posts/bulk"
UNKNOWN = "01930d6e-0000-7000-8000-000000000000"


async def make_posts(
    client: httpx2.AsyncClient, *bodies: dict[str, Any], **fields: Any
) -> list[dict[str, Any]]:
    items = [{"title": "A title", **fields, **body} for body in bodies]
    answer = await client.post(BULK, json={"items": items})
    assert answer.status_code == 201, answer.text
    made: list[dict[str, Any]] = answer.json()["items"]
    return made


async def test_bulk_create_posts_equal_single_creates(client: httpx2.AsyncClient) -> None:
    author = (await make_user(client))["id"]
    stored = await make_post(client, author_id=author, title="Same")
    made = await make_posts(
        client,
        {"title": "Same", "published": True, "tags": ["One", "two", "ONE"]},
        {"title": "Same", "slug": "mine", "content": "words"},
        {"title": "Mine", "tags": ["Two"]},
        {"title": "Other"},
        author_id=author,
    )
    slugs = [post["slug"] for post in made]
    assert stored["slug"] == "same"
    assert slugs[0].startswith("same-")
    assert slugs[1] == "mine", "a slug of the request precedes derived slugs"
    assert slugs[2].startswith("mine-")
    assert slugs[3] == "other"
    assert [post["published_at"] == post["created_at"] for post in made] == [True, *[False] * 3]
    for post in made:
        assert (await client.get(f"{POSTS}/{post['id']}")).json() == post
    expanded = [
        (await client.get(f"{POSTS}/{post['id']}?expand=tags")).json()["tags"] for post in made
    ]
    names = [[tag["name"] for tag in tags] for tags in expanded]
    assert names == [["One", "two"], [], ["two"], []]


async def test_bulk_create_takes_tag_ids_and_names_unknown_ones(
    client: httpx2.AsyncClient, state: State
) -> None:
    author = (await make_user(client))["id"]
    ids = [(await make_tag(client, name))["id"] for name in ("a", "b")]
    items = [
        {"title": "1", "author_id": author, "tag_ids": [ids[0]], "tags": ["A", "c"]},
        {"title": "2", "author_id": author, "tag_ids": [ids[1], UNKNOWN], "tags": ["never"]},
        {"title": "3", "author_id": author},
    ]
    refused = await client.post(BULK, json={"items": items})
    place = ("/items/1/tag_ids/1", "tag_unknown")
    assert status_code_places(refused) == (409, "tag_unknown", [place])
    answer = await client.post(BULK, params=NON_ATOMIC, json={"items": items})
    assert item_results(answer) == [
        (201, None, []),
        (409, "tag_unknown", ["/items/1/tag_ids/1"]),
        (201, None, []),
    ]
    made = answer.json()["items"][0]["id"]
    tags = (await client.get(f"{POSTS}/{made}?expand=tags")).json()["tags"]
    assert [tag["name"] for tag in tags] == ["a", "c"]
    counts = []
    for many in (2, 50):
        with recorded_statements(state) as statements:
            new = {"title": f"One of {many}", "author_id": author, "tag_ids": ids}
            await make_posts(client, *[new] * many)
        counts.append(len(statements))
    assert counts[0] == counts[1]


async def test_bulk_create_reports_error_of_each_item(client: httpx2.AsyncClient) -> None:
    stored = await make_post(client, slug="there")
    author = stored["author_id"]
    items = [
        {"title": "a", "author_id": author, "slug": "fresh"},
        {"title": "b", "author_id": author, "slug": "there"},
        {"title": "c", "author_id": UNKNOWN},
        {"title": "d", "author_id": author, "slug": "fresh", "tags": ["never"]},
        {"author_id": author},
    ]
    places = [
        (409, "slug_taken", ["/items/1/slug"]),
        (409, "author_unknown", ["/items/2/author_id"]),
        (409, "slug_taken", ["/items/3/slug"]),
    ]
    answer = await client.post(BULK, json={"items": items[:4]})
    assert status_code_places(answer) == (
        409,
        "items_refused",
        [(pointer, code) for _, code, (pointer,) in places],
    )
    assert (await client.get(POSTS)).json()["items"] == [stored]
    answer = await client.post(BULK, params=NON_ATOMIC, json={"items": items})
    assert item_results(answer) == [(201, None, []), *places, (422, "invalid", ["/items/4/title"])]
    (made,) = [post for post in (await client.get(POSTS)).json()["items"] if post != stored]
    assert (made["title"], made["slug"]) == ("a", "fresh")
    assert (await client.get("/v1/tags")).json()["items"] == []


async def test_bulk_member_writes_own_posts_only(
    app: FastAPI, state: State, client: httpx2.AsyncClient
) -> None:
    me = (await make_user(client))["id"]
    other = await make_post(client, published=True, title="Theirs")
    draft = await make_post(client, author_id=other["author_id"])
    async with client_as(member_caller(me), app, state) as mine:
        answer = await mine.post(
            BULK,
            params=NON_ATOMIC,
            json={"items": [{"title": "x"}, {"title": "y", "author_id": other["author_id"]}]},
        )
        assert item_results(answer) == [
            (201, None, []),
            (403, "missing_scope", ["/items/1/author_id"]),
        ]
        own = answer.json()["items"][0]["id"]
        ids = [own, other["id"], draft["id"], UNKNOWN]
        expected = [
            (403, "not_yours", ["/items/1"]),
            (404, "post_not_found", ["/items/2"]),
            (404, "post_not_found", ["/items/3"]),
        ]
        for action, status in (("publish", 200), ("delete", 204)):
            refusal = await mine.post(f"{BULK}/{action}", json={"items": ids})
            assert status_code_places(refusal)[:2] == (409, "items_refused")
            assert (await mine.get(f"{POSTS}/{own}")).json()["published"] == (action == "delete")
            answer = await mine.post(f"{BULK}/{action}", params=NON_ATOMIC, json={"items": ids})
            assert item_results(answer) == [(status, None, []), *expected]
    left = {post["id"]: post for post in (await client.get(POSTS)).json()["items"]}
    assert left == {other["id"]: other, draft["id"]: draft}


async def test_bulk_publish_keeps_date_and_delete_removes_comments(
    client: httpx2.AsyncClient,
) -> None:
    author = (await make_user(client))["id"]
    out, draft = await make_posts(client, {"published": True}, {}, author_id=author)
    answer = await client.post(f"{BULK}/publish", json={"items": [draft["id"], out["id"]]})
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["items"]
    assert (first["id"], first["published"], first["version"]) == (draft["id"], True, 2)
    assert second == {
        **out,
        "version": 2,
        "updated_at": second["updated_at"],
    }
    comment = await make_comment(client, out)
    answer = await client.post(f"{BULK}/delete", json={"items": [out["id"], draft["id"]]})
    assert (answer.status_code, answer.content) == (204, b"")
    address = f"{POSTS}/{out['id']}/comments/{comment['id']}"
    assert (await client.get(address)).status_code == 404
    assert (await client.get(POSTS)).json()["items"] == []


@pytest.mark.parametrize("params", [{}, NON_ATOMIC])
async def test_bulk_1000_posts_need_as_many_statements_as_2(
    client: httpx2.AsyncClient, state: State, params: dict[str, str]
) -> None:
    author = (await make_user(client))["id"]
    await make_post(client, author_id=author)
    counts = []
    for many in (2, 1000):
        items = [
            {"title": "A title", "author_id": author, "tags": [f"t{n % 50}", f"many {many}"]}
            for n in range(many)
        ]
        with recorded_statements(state) as statements:
            answer = await client.post(BULK, params=params, json={"items": items})
            ids = [post["id"] for post in answer.json()["items"]]
            published = await client.post(f"{BULK}/publish", params=params, json={"items": ids})
            deleted = await client.post(f"{BULK}/delete", params=params, json={"items": ids})
        expected = [207] * 3 if params else [201, 200, 204]
        assert [item.status_code for item in (answer, published, deleted)] == expected
        assert all(isinstance(parameters, tuple) for _, parameters in statements), (
            "no statement is executed once per row"
        )
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 10, counts


async def test_bulk_overlapping_requests_never_deadlock(
    client: httpx2.AsyncClient, state: State
) -> None:
    authors = [(await make_user(client))["id"] for _ in range(5)]
    posts = await make_posts(client, *[{} for _ in range(120)], author_id=authors[0])
    ids = [post["id"] for post in posts]
    chance = random.Random(7)

    def bodies() -> list[dict[str, Any]]:
        return [
            {
                "title": "x",
                "slug": f"slug-{n}",
                "author_id": chance.choice(authors),
                "tags": [f"tag {chance.randrange(120)}" for _ in range(5)],
            }
            for n in chance.sample(range(100), 100)
        ]

    def works() -> list[Any]:
        makes = [client.post(BULK, params=NON_ATOMIC, json={"items": bodies()}) for _ in range(3)]
        shuffled = [chance.sample(ids, 120) for _ in range(4)]
        return [
            *makes,
            *[
                client.post(f"{BULK}/publish", params=NON_ATOMIC, json={"items": order})
                for order in shuffled[:3]
            ],
            client.post(f"{BULK}/delete", params=NON_ATOMIC, json={"items": shuffled[3][:10]}),
        ]

    with deadlocks(state) as deadlocked:
        for _ in range(3):
            answers = await asyncio.gather(*works())
            assert {answer.status_code for answer in answers} <= {207, 503}
            assert 207 in {answer.status_code for answer in answers}
    assert deadlocked == []
