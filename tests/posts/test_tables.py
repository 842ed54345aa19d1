"""Each filter and sort of the list of posts is served by an index."""

import uuid
from typing import Any

import httpx2

from service.main import State
from service.paging import CountedQuery
from service.posts.schemas import PostQuery
from tests.users.statements import fill, overheard, scanned_tables

AUTHOR = "00000000-0000-7000-8000-000000000007"
MANY_POSTS = (
    """
    INSERT INTO users (id, username, email)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n,
           'user' || n || '@example.com'
    FROM generate_series(1, 500) AS n
    """,
    """
    INSERT INTO tags (id, name)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'tag' || n
    FROM generate_series(1, 400) AS n
    """,
    """
    INSERT INTO posts (id, author_id, title, slug, content, published, published_at, views,
                       created_at)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-7000-8000-' || lpad((1 + n % 500)::text, 12, '0'))::uuid,
           'Title ' || n, 'title-' || n, 'word' || n % 700, n % 20 > 0,
           CASE WHEN n % 20 > 0 THEN now() END, n % 50, now() - n * interval '1 minute'
    FROM generate_series(1, 20000) AS n
    """,
    """
    INSERT INTO post_tags (post_id, tag_id)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-7000-8000-' || lpad((1 + n % 400)::text, 12, '0'))::uuid
    FROM generate_series(1, 20000) AS n
    """,
)
FILTERS: dict[str, Any] = {
    "q": "word77",
    "author_id": uuid.UUID(AUTHOR),
    "tag": "Tag7",
    "published": "false",
    "created_at__gte": "2199-01-01T00:00:00Z",
    "created_at__lt": "1970-01-01T00:00:00Z",
}


async def test_every_filter_and_sort_of_posts_is_served_by_an_index(
    client: httpx2.AsyncClient, state: State
) -> None:
    assert set(FILTERS) == set(PostQuery.model_fields) - set(CountedQuery.model_fields) - {"expand"}
    sorts = ("created_at", "-created_at", "views", "-views")
    asked = [{name: value, "sort": sort} for name, value in FILTERS.items() for sort in sorts]
    asked += [{**params, "expand": "author,tags"} for params in asked]
    async with state["sql"].engine.begin() as connection:
        await fill(connection, *MANY_POSTS)
    scans = []
    async with state["sql"].engine.connect() as connection:
        for params in asked:
            with overheard(state) as said:
                assert (await client.get("/v1/posts", params=params)).status_code == 200
            scanned = [await scanned_tables(connection, statement) for statement in said]
            if any("posts" in tables or "post_tags" in tables for tables in scanned):
                scans.append(params)
    assert scans == []
