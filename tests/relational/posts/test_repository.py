"""Posts: concurrent slugs and tags, filters, and statements per page."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.relational.posts.factories import make_post
from tests.relational.tags.factories import make_tag
from tests.relational.users.factories import make_user, make_users, send_all
from tests.relational.users.statements import recorded_statements
from tests.web.bulk import status_code_places


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


async def tag_names(client: httpx2.AsyncClient, post: dict[str, Any]) -> list[str]:
    nested = (await client.get(f"/v1/posts/{post['id']}", params={"expand": "tags"})).json()
    return [tag["name"] for tag in nested["tags"]]


async def test_tag_ids_and_tags_together_are_the_tags_of_a_post(
    client: httpx2.AsyncClient,
) -> None:
    ids = [(await make_tag(client, name))["id"] for name in ("a", "b", "c")]
    post = await make_post(client, tags=["B", "new"], tag_ids=[ids[0], ids[1], ids[0]])
    assert await tag_names(client, post) == ["a", "b", "new"]
    address = f"/v1/posts/{post['id']}"
    changes: list[tuple[str, dict[str, Any], list[str]]] = [
        ("PATCH", {"tag_ids": [ids[2]]}, ["c"]),
        ("PATCH", {"tags": ["a"], "tag_ids": [ids[2]]}, ["a", "c"]),
        ("PATCH", {"title": "Kept tags"}, ["a", "c"]),
        ("PUT", {"title": "T", "tag_ids": [ids[1]], "tags": ["newer"]}, ["b", "newer"]),
        ("PATCH", {"tag_ids": []}, []),
    ]
    for version, (method, body, names) in enumerate(changes, 2):
        answer = await client.request(method, address, json=body)
        assert (answer.status_code, answer.json()["version"]) == (200, version)
        assert await tag_names(client, post) == names


async def test_tag_ids_unknown_are_refused_by_place(client: httpx2.AsyncClient) -> None:
    known, unknown = (await make_tag(client, "known"))["id"], str(uuid4())
    post = await make_post(client, tags=["kept"])
    body = {"author_id": post["author_id"], "title": "T", "tags": ["never made"]}
    body["tag_ids"] = [known, unknown, known, str(uuid4())]
    address = f"/v1/posts/{post['id']}"
    for answer in (
        await client.post("/v1/posts", json=body),
        await client.put(address, json=body),
        await client.patch(address, json={"tag_ids": body["tag_ids"], "tags": ["never made"]}),
    ):
        places = [("/tag_ids/1", "tag_unknown"), ("/tag_ids/3", "tag_unknown")]
        assert status_code_places(answer) == (409, "tag_unknown", places)
    assert await tag_names(client, post) == ["kept"]
    assert (await client.get("/v1/tags?name__prefix=never")).json()["items"] == []


async def test_tag_ids_with_tags_exceed_twenty_is_refused(client: httpx2.AsyncClient) -> None:
    ids = [(await make_tag(client, f"t{n}"))["id"] for n in range(10)]
    post = await make_post(client, tag_ids=ids, tags=[f"n{n}" for n in range(10)])
    assert len(await tag_names(client, post)) == 20
    both = {"title": "T", "tag_ids": ids, "tags": [f"n{n}" for n in range(11)]}
    address = f"/v1/posts/{post['id']}"
    for answer in (
        await client.post("/v1/posts", json=both),
        await client.put(address, json=both),
        await client.patch(address, json=both),
    ):
        assert status_code_places(answer)[2] == [("/tag_ids", "value_error")]


async def test_tag_ids_cost_one_statement_however_many(
    client: httpx2.AsyncClient, state: State
) -> None:
    author = (await make_user(client))["id"]
    ids = [(await make_tag(client, f"t{n}"))["id"] for n in range(20)]
    counts = []
    for few in (1, 20):
        with recorded_statements(state) as statements:
            await make_post(client, author_id=author, title=str(few), tag_ids=ids[:few])
        counts.append(len(statements))
    assert counts[0] == counts[1]
