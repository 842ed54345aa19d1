"""Each filter and sort of the list of posts is served by an index."""

from typing import Any

import httpx2

from service.main import State
from service.relational.posts.schemas import PostQuery
from service.web.lists.pagination import OffsetQuery
from tests.relational.users.statements import fill, recorded_statements, used_indexes

_PAGE = "FROM posts"
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
           'Title ' || n, 'title-' || n, 'word' || n % 700, n % 500 > 0,
           CASE WHEN n % 500 > 0 THEN now() END, 1 + n % 50, now() - n * interval '1 minute'
    FROM generate_series(1, 20000) AS n
    """,
    """
    INSERT INTO post_tags (post_id, tag_id)
    SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
           ('00000000-0000-7000-8000-' || lpad((1 + n % 400)::text, 12, '0'))::uuid
    FROM generate_series(1, 20000) AS n
    """,
)
FILTERS: dict[str, tuple[Any, str]] = {
    "q": ("word77", "ix_posts_search"),
    "slug": ("title-77", "uq_posts_slug"),
    "views__gte": (100, "ix_posts_views_id"),
    "views__lte": (0, "ix_posts_views_id"),
    "author_id": (AUTHOR, "ix_posts_author_id"),
    "author_id__in": (AUTHOR, "ix_posts_author_id"),
    "tag": ("Tag7", "ix_post_tags_tag_id"),
    "published": ("false", "ix_posts_published"),
    "created_at__gte": ("2199-01-01T00:00:00Z", "ix_posts_created_at_id"),
    "created_at__lt": ("1970-01-01T00:00:00Z", "ix_posts_created_at_id"),
}


async def test_list_every_filter_and_sort_uses_an_index(
    client: httpx2.AsyncClient, state: State
) -> None:
    filters = set(PostQuery.model_fields) - set(OffsetQuery.model_fields)
    assert set(FILTERS) == filters - {"expand"}, "name the index that serves the new filter"
    async with state["sql"].engine.begin() as connection:
        await fill(connection, *MANY_POSTS)
    wrong = []
    async with state["sql"].engine.connect() as connection:
        for name, (value, index) in FILTERS.items():
            for sort in ("created_at", "-created_at", "views", "-views"):
                with recorded_statements(state) as statements:
                    params = {name: value, "sort": sort}
                    nested = {**params, "expand": "author,tags"}
                    for asked in (params, nested):
                        assert (await client.get("/v1/posts", params=asked)).status_code == 200
                # Both lists, and in each the lookup of the tag of the filter.
                used = [await used_indexes(connection, statement) for statement in statements]
                whole = {"scan of posts", "scan of post_tags"} & set().union(*used)
                posts = [
                    one for one, (sql, _) in zip(used, statements, strict=True) if _PAGE in sql
                ]
                if whole or len(posts) != 2 or not all(index in one for one in posts):
                    wrong.append((name, sort, used))
    assert wrong == []
