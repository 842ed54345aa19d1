"""Each filter and sort of the list of users is served by an index."""

from typing import Any

import httpx2

from service.main import State
from service.relational.users.schemas import UserQuery
from service.web.lists.pagination import OffsetQuery
from tests.relational.users.statements import fill, recorded_statements, used_indexes

MANY_USERS = """
INSERT INTO users (id, username, email, name, age, city, status, role, is_active, deleted_at,
                   created_at)
SELECT gen_random_uuid(), 'user' || n, 'user' || n || '@example.com',
       CASE WHEN n % 500 <> 9 THEN 'Name ' || n % 5000 END,
       CASE WHEN n % 500 <> 9 THEN n % 100 END,
       CASE WHEN n % 500 <> 9 THEN 'City ' || n % 200 END,
       CASE WHEN n % 500 = 7 THEN 'suspended' ELSE 'active' END,
       CASE WHEN n % 500 = 8 THEN 'admin' ELSE 'member' END, n % 500 > 0,
       CASE WHEN n % 50 = 0 THEN now() END, now() - n * interval '1 minute'
FROM generate_series(1, 20000) AS n
"""
# The filters match few rows, so that an index search is the cheapest plan.
FILTERS: dict[str, tuple[Any, str]] = {
    "q": ("user77", "ix_users_search"),
    "username": ("USER77", "uq_users_username"),
    "username__in": ("user7,USER77", "uq_users_username"),
    "email": ("User77@example.com", "uq_users_email"),
    "email__in": ("user7@example.com,x@y.z", "uq_users_email"),
    "name__null": ("true", "ix_users_name_prefix"),
    "city__in": ("city 7,City 8", "ix_users_city"),
    "city__null": ("true", "ix_users_city"),
    "age__in": ("100,101", "ix_users_age"),
    "age__null": ("true", "ix_users_age"),
    "status__in": ("suspended,inactive", "ix_users_status"),
    "status__ne": ("active", "ix_users_status"),
    "role": ("admin", "ix_users_role"),
    "role__in": ("admin,editor", "ix_users_role"),
    "role__ne": ("member", "ix_users_role"),
    "name": ("name 17", "ix_users_name_prefix"),
    "name__prefix": ("name 177", "ix_users_name_prefix"),
    "city": ("city 7", "ix_users_city"),
    "age": (42, "ix_users_age"),
    "age__gte": (100, "ix_users_age"),
    "age__lte": (0, "ix_users_age"),
    "status": ("suspended", "ix_users_status"),
    "is_active": ("false", "ix_users_is_active"),
    "created_at__gte": ("2199-01-01T00:00:00Z", "ix_users_created_at_id"),
    "created_at__lt": ("1970-01-01T00:00:00Z", "ix_users_created_at_id"),
}


async def test_list_every_filter_and_sort_uses_an_index(
    client: httpx2.AsyncClient, state: State
) -> None:
    filters = set(UserQuery.model_fields) - set(OffsetQuery.model_fields)
    assert set(FILTERS) == filters - {"deleted"}, "name the index that serves the new filter"
    sorts = ("created_at", "-created_at", "username", "-username")
    async with state["sql"].engine.begin() as connection:
        await fill(connection, MANY_USERS)
    wrong = []
    async with state["sql"].engine.connect() as connection:
        for name, (value, index) in FILTERS.items():
            for sort in sorts:
                with recorded_statements(state) as statements:
                    answer = await client.get("/v1/users", params={name: value, "sort": sort})
                    assert answer.status_code == 200
                if (used := await used_indexes(connection, statements[-1])) != {index}:
                    wrong.append((name, sort, used))
    assert wrong == []
