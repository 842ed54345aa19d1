"""Each filter and sort of the list of users is served by an index."""

from typing import Any

import httpx2

from service.main import State
from service.paging import CountedQuery
from service.users.schemas import UserQuery
from tests.users.statements import fill, overheard, scanned_tables

MANY_USERS = """
INSERT INTO users (id, username, email, name, age, city, status, is_active, deleted_at, created_at)
SELECT gen_random_uuid(), 'user' || n, 'user' || n || '@example.com', 'Name ' || n % 5000, n % 100,
       'City ' || n % 200,
       (ARRAY['active', 'active', 'active', 'active', 'pending', 'suspended'])[1 + n % 6],
       n % 10 > 0, CASE WHEN n % 50 = 0 THEN now() END, now() - n * interval '1 minute'
FROM generate_series(1, 20000) AS n
"""
FILTERS: dict[str, Any] = {
    "q": "user77",
    "name": "name 17",
    "name__prefix": "name 17",
    "city": "city 7",
    "age": 42,
    "age__gte": 98,
    "age__lte": 1,
    "status": "suspended",
    "is_active": "false",
    "created_at__gte": "2199-01-01T00:00:00Z",
    "created_at__lt": "1970-01-01T00:00:00Z",
    "deleted": "true",
}


async def test_every_filter_and_sort_of_users_is_served_by_an_index(
    client: httpx2.AsyncClient, state: State
) -> None:
    assert set(FILTERS) == set(UserQuery.model_fields) - set(CountedQuery.model_fields)
    sorts = ("created_at", "-created_at", "username", "-username")
    asked = [{name: value, "sort": sort} for name, value in FILTERS.items() for sort in sorts]
    async with state["sql"].engine.begin() as connection:
        await fill(connection, MANY_USERS)
    scans = []
    async with state["sql"].engine.connect() as connection:
        for params in asked:
            with overheard(state) as said:
                assert (await client.get("/v1/users", params=params)).status_code == 200
            if await scanned_tables(connection, said[-1]):
                scans.append(params)
    assert scans == []
