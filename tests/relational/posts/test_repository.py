"""Posts: concurrent slugs and tags, filters, and statements per page."""

from typing import Any

import httpx2
import pytest

from service.main import State
from tests.relational.posts.factories import make_post
from tests.relational.users.factories import make_user, make_users, send_all
from tests.relational.users.statements import recorded_statements


async def test_list_expanded_statements_do_not_grow_with_limit(
    client: httpx2.AsyncClient, state: State
) -> None:
    for author in await make_users(client, *[{}] * 12):
        await make_post(client, author_id=author["id"], tags=["all", author["username"]])
    counts = {}
    for limit in (1, 12):
        with recorded_statements(state) as statements:
            params: dict[str, Any] = {"expand": "author,tags", "limit": limit}
            items = (await client.get("/v1/posts", params=params)).json()["items"]
        assert len(items) == limit
        assert all({tag["name"] for tag in post["tags"]} > {"all"} for post in items)
        assert all(post["author"]["username"] in str(post["tags"]) for post in items)
        counts[limit] = len(statements)
    assert counts == {1: 1, 12: 1}


async def test_create_concurrent_same_title_gets_distinct_slugs(
    client: httpx2.AsyncClient,
) -> None:
    author = await make_user(client)
    body = {"author_id": author["id"], "title": "Same  TITLE?"}
    answers = await send_all(client, "POST", "/v1/posts", *[{"json": body}] * 24)
    assert {answer.status_code for answer in answers} == {201}
    slugs = {answer.json()["slug"] for answer in answers}
    assert len(slugs) == 24
    assert "same-title" in slugs
    assert all(slug.startswith("same-title") for slug in slugs)


@pytest.mark.parametrize(
    ("title", "slug"), [("---", "post"), ("愛", "post"), ("a" * 200, "a" * 100), ("É x", "e-x")]
)
async def test_create_slug_is_derived_from_title(
    client: httpx2.AsyncClient, title: str, slug: str
) -> None:
    assert (await make_post(client, title=title))["slug"] == slug


async def test_create_concurrent_same_new_tags_are_shared(
    client: httpx2.AsyncClient,
) -> None:
    author = await make_user(client)
    names = ["one", "Two", "ÉTÉ", "İ", "ΣΑΣ"]
    orders = [names, names[::-1], [name.upper() for name in names]] * 4
    bodies = [{"author_id": author["id"], "title": "T", "tags": tags} for tags in orders]
    answers = await send_all(client, "POST", "/v1/posts", *({"json": body} for body in bodies))
    assert {answer.status_code for answer in answers} == {201}
    assert len((await client.get("/v1/tags")).json()["items"]) == len(names)
    for answer in answers:
        post = (await client.get(f"/v1/posts/{answer.json()['id']}?expand=tags")).json()
        assert len(post["tags"]) == len(names)


async def test_views_concurrent_increments_are_all_counted(client: httpx2.AsyncClient) -> None:
    post = await make_post(client)
    address = f"/v1/posts/{post['id']}"
    answers = await send_all(client, "POST", f"{address}/views", *[{}] * 40)
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["views"] for answer in answers) == list(range(1, 41))
    assert (await client.get(address)).json()["version"] == 1


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"q": "motors"}, {"Motor"}),
        ({"q": "end of life"}, {"Motor", "Life"}),
        ({"q": '"end of life" -driver'}, {"Life"}),
        ({"q": "motor OR story"}, {"Motor", "Life"}),
        ({"q": "' & | !! ( :* \\"}, set()),
        ({"tag": "SQL"}, {"Plan", "Motor"}),
        ({"tag": "İ"}, {"Life"}),
        ({"tag": "none"}, set()),
        ({"published": "true"}, {"Plan"}),
        ({"published": "false", "tag": "sql"}, {"Motor"}),
        ({"created_at__gte": "2199-01-01T00:00:00Z"}, set()),
        ({"created_at__lt": "2199-01-01T00:00:00Z", "q": "driver"}, {"Motor"}),
    ],
)
async def test_list_filter_returns_matching_posts(
    client: httpx2.AsyncClient, query: dict[str, Any], titles: set[str]
) -> None:
    author = (await make_user(client))["id"]
    await make_post(client, author_id=author, title="Plan", published=True, tags=["sql", "b"])
    content = "A driver past its end of life."
    await make_post(client, author_id=author, title="Motor", content=content, tags=["Sql"])
    content = "A story: the end of life."
    await make_post(client, author_id=author, title="Life", content=content, tags=["İ"])
    await make_post(client)
    answer = await client.get("/v1/posts", params={**query, "author_id": author, "count": "exact"})
    assert answer.status_code == 200
    assert {post["title"] for post in answer.json()["items"]} == titles
    assert answer.json()["total"] == len(titles)


async def test_list_sort_by_views_descending_starts_with_most_viewed(
    client: httpx2.AsyncClient,
) -> None:
    posts = [await make_post(client) for _ in range(3)]
    for post, views in zip(posts, (1, 3, 2), strict=True):
        for _ in range(views):
            await client.post(f"/v1/posts/{post['id']}/views")
    listed = (await client.get("/v1/posts", params={"sort": "-views"})).json()["items"]
    assert [post["views"] for post in listed] == [3, 2, 1]
