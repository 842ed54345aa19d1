"""Lists as JSON that PostgreSQL writes; all changes are rolled back."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Response
from sqlalchemy import insert, update

from service.relational.posts.repository import PostRepository
from service.relational.posts.schemas import PostCreate, PostQuery
from service.relational.posts.tables import Post
from service.relational.users.repository import UserRepository
from service.relational.users.schemas import UserQuery
from service.relational.users.tables import User
from service.stores.sql.context import SqlContext
from service.web.lists.pagination import ListQuery
from tests.relational.users.factories import user_body
from tests.stores.sql.repositories import add_user

pytestmark = pytest.mark.usefixtures("no_row_is_left")


async def add_users(context: SqlContext, *fields: dict[str, Any]) -> list[str]:
    """Insert users in one statement; return their ids."""
    rows = [{"role": "member", **user_body(**values)} for values in fields]
    ids = await context.session.scalars(insert(User).returning(User.id), rows)
    return [str(user_id) for user_id in ids]


async def iterate_json_pages(
    list_json: Callable[[Any], Awaitable[Response]], query: ListQuery
) -> list[dict[str, Any]]:
    """Return the items of all pages."""
    items: list[dict[str, Any]] = []
    while True:
        body = json.loads(bytes((await list_json(query)).body))
        items += body["items"]
        cursor = body["page"]["next_cursor"]
        assert body["page"]["has_more"] == (cursor is not None)
        assert len(body["items"]) == query.limit or cursor is None
        if cursor is None:
            return items
        query = query.model_copy(update={"cursor": cursor})


@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
async def test_json_list_rows_of_equal_time_are_ordered_by_id(
    sql_context: SqlContext, sort: str
) -> None:
    """The first 60 users have one ``created_at``, the other 40 another."""
    ids = await add_users(sql_context, *[{}] * 100)
    later = update(User).where(User.id.in_(ids[60:]))
    await sql_context.session.execute(later.values(created_at=User.created_at + timedelta(hours=1)))
    listed = await iterate_json_pages(
        UserRepository(sql_context).list_json, UserQuery(sort=sort, limit=7)
    )
    assert len({user["created_at"] for user in listed}) == 2
    assert [user["id"] for user in listed] == sorted(ids, reverse=sort.startswith("-"))


@pytest.mark.parametrize("sort", ["views", "-views"])
async def test_json_list_few_values_over_many_rows_are_ordered(
    sql_context: SqlContext, sort: str
) -> None:
    author = await add_user(sql_context)
    posts = PostRepository(sql_context)
    for views in (0, 0, 0, 0, 1, 1, 1, 2):
        post = await posts.add(PostCreate(author_id=author.id, title="T"))
        await sql_context.session.execute(
            update(Post).where(Post.id == post.id).values(views=views)
        )
    listed = await iterate_json_pages(posts.list_json, PostQuery(sort=sort, limit=3))
    keys = [(post["views"], post["id"]) for post in listed]
    assert keys == sorted(set(keys), reverse=sort.startswith("-"))
    assert len(keys) == 8


@pytest.mark.parametrize("sort", ["username", "-username"])
async def test_json_list_names_are_ordered_by_code_point(
    sql_context: SqlContext, sort: str
) -> None:
    names = [f"{name}x" for name in ("b", "B1", "a-b", "a.b", "a_b", "ab", "a1", "Zz", "zz.top")]
    await add_users(sql_context, *({"username": name} for name in names))
    listed = await iterate_json_pages(
        UserRepository(sql_context).list_json, UserQuery(sort=sort, limit=2)
    )
    assert [user["username"] for user in listed] == sorted(names, reverse=sort.startswith("-"))


async def test_json_list_is_counted_on_request_alone(sql_context: SqlContext) -> None:
    await add_users(sql_context, *({"age": n % 2} for n in range(10)))
    totals = {}
    for count in ("none", "exact", "estimated"):
        query = UserQuery(age=1, limit=2, count=count)
        body = json.loads(bytes((await UserRepository(sql_context).list_json(query)).body))
        totals[count] = body["total"]
        assert len(body["items"]) == 2
    assert (totals["none"], totals["exact"]) == (None, 5)
    assert isinstance(totals["estimated"], int)


@pytest.mark.parametrize(
    "filters",
    [
        {"q": "x'y", "name__prefix": "a%"},
        {"city": "x", "created_at__lt": "2026-01-01T00:00:00Z"},
        {"deleted": True},
    ],
)
async def test_json_list_estimate_takes_every_filter(
    sql_context: SqlContext, filters: dict[str, Any]
) -> None:
    query = UserQuery(count="estimated", **filters)
    response = await UserRepository(sql_context).list_json(query)
    assert json.loads(bytes(response.body))["total"] >= 0
