"""``fields=`` on lists from PostgreSQL reads the columns of these fields alone."""

import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State
from tests.project.list_endpoints import lists_of
from tests.relational.catalog.factories import make_product
from tests.relational.posts.factories import make_comment, make_post
from tests.relational.users.factories import make_user
from tests.relational.users.statements import recorded_statements

LONG = "long " * 2000


def columns_of(sql: str) -> str:
    """Return what a statement selects."""
    return sql[: sql.index("\nFROM") if "\nFROM" in sql else sql.index(" FROM")]


async def read(
    client: httpx2.AsyncClient, state: State, address: str, fields: str, **query: str
) -> tuple[list[dict[str, Any]], str]:
    """Return the items of a list, and what its statements select."""
    with recorded_statements(state) as statements:
        answer = await client.get(address, params={"fields": fields, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"], " ".join(columns_of(sql) for sql, _ in statements)


@pytest.mark.parametrize("order", ["id,title", "title,id"])
async def test_posts_with_two_fields_read_no_content(
    client: httpx2.AsyncClient, state: State, order: str
) -> None:
    made = await make_post(client, content=LONG)
    items, selected = await read(client, state, "/v1/posts", order)
    assert items == [{"id": made["id"], "title": made["title"]}]
    assert list(items[0]) == ["id", "title"], "in the order of the schema"
    assert not re.search("content|views|slug", selected)
    _, whole = await read(client, state, "/v1/posts", "id,content")
    assert "content" in whole


async def test_posts_with_large_content_among_the_fields_are_whole(
    client: httpx2.AsyncClient,
) -> None:
    made = [await make_post(client, content=LONG + str(number)) for number in range(3)]
    page = await client.get("/v1/posts?fields=content&sort=created_at&limit=2")
    assert page.json()["items"] == [{"content": post["content"]} for post in made[:2]]


async def test_posts_with_fields_of_nested_objects_read_these(
    client: httpx2.AsyncClient, state: State
) -> None:
    await make_post(client)
    (item,), selected = await read(client, state, "/v1/posts", "tags", expand="author,tags")
    assert item == {"tags": []}
    assert "username" not in selected


async def test_users_with_fields_read_no_others(client: httpx2.AsyncClient, state: State) -> None:
    made = await make_user(client, bio="of many words")
    items, selected = await read(client, state, "/v1/users", "email")
    assert items == [{"email": made["email"]}]
    assert not re.search("bio|city|username", selected)


async def test_comments_with_fields_read_no_content(
    client: httpx2.AsyncClient, state: State
) -> None:
    post = await make_post(client)
    comment = await make_comment(client, post)
    items, selected = await read(client, state, f"/v1/posts/{post['id']}/comments", "id,created_at")
    assert items == [{"id": comment["id"], "created_at": comment["created_at"]}]
    assert "comments.content" not in selected


async def test_products_with_fields_read_no_others_with_a_category_too(
    client: httpx2.AsyncClient, state: State
) -> None:
    product = await make_product(client, description="of many words")
    for query in ({}, {"expand": "category"}):
        items, selected = await read(client, state, "/v1/products", "price,sku", **query)
        assert items == [{"sku": product["sku"], "price": product["price"]}]
        assert "description" not in selected, query


async def test_next_page_with_fields_begins_behind_the_first(client: httpx2.AsyncClient) -> None:
    names = sorted([(await make_user(client))["username"] for _ in range(3)])
    query: dict[str, Any] = {"fields": "username", "sort": "username,-name", "limit": 2}
    first = await client.get("/v1/users", params=query)
    link = first.headers["link"].partition(">")[0].removeprefix("<")
    items = [*first.json()["items"], *(await client.get(link)).json()["items"]]
    assert items == [{"username": name} for name in names]


async def test_every_list_gives_each_field_alone_as_among_all(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    post = await make_post(client, tags=["a"])
    await make_comment(client, post)
    await make_product(client)
    paths = {found.path for found in lists_of(app)}
    asked = 0
    for path in paths:
        address = path.replace("{post_id}", post["id"]).replace("{user_id}", post["author_id"])
        if "{" in address:
            continue
        for item in (await client.get(address, params={"limit": 1})).json()["items"]:
            for name in item:
                query = {"limit": 1, "fields": name}
                (part,) = (await client.get(address, params=query)).json()["items"]
                assert part == {name: item[name]}, (address, name)
                asked += 1
    assert asked > 40


async def test_plan_of_posts_with_fields_outputs_no_content(
    client: httpx2.AsyncClient, state: State
) -> None:
    await make_post(client)
    outputs = {}
    for fields in ("id,title", "id,content"):
        with recorded_statements(state) as statements:
            await client.get("/v1/posts", params={"fields": fields})
        sql, values = statements[-1]
        async with state["sql"].engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            plan = await raw.fetch(f"EXPLAIN (VERBOSE) {sql}", *values)
        outputs[fields] = " ".join(row[0] for row in plan)
    assert "Output:" in outputs["id,title"]
    assert "content" not in outputs["id,title"]
    assert "content" in outputs["id,content"]
