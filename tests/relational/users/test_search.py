"""Search of users by prefixes of their names, in the case rules of PostgreSQL."""

import httpx2
import pytest

from service.main import State
from tests.relational.users.factories import make_user, make_users
from tests.relational.users.statements import fill, recorded_statements, used_indexes
from tests.relational.users.test_tables import MANY_USERS


@pytest.mark.parametrize("q", ["ada.l", "ada.lovelace", "ada.love"])
async def test_search_username_with_dot_is_matched(client: httpx2.AsyncClient, q: str) -> None:
    await make_user(client, username="ada.lovelace")
    users = (await client.get("/v1/users", params={"q": q})).json()["items"]
    assert len(users) == 1


@pytest.mark.parametrize("prefix", ["ΠΆΤΡΑΣ", "İst"])
async def test_prefix_filter_ignores_case_as_postgresql_does(
    client: httpx2.AsyncClient, prefix: str
) -> None:
    await make_users(client, {"name": "Πάτρας 1"}, {"name": "ΠΆΤΡΑΣ"}, {"name": "İstanbul"})
    users = (await client.get("/v1/users", params={"name__prefix": prefix})).json()["items"]
    assert prefix in {user["name"][: len(prefix)] for user in users}


async def test_list_few_deleted_users_needs_no_table_scan(
    client: httpx2.AsyncClient, state: State
) -> None:
    async with state["sql"].engine.begin() as connection:
        await fill(connection, MANY_USERS.replace("n % 50 = 0", "n % 4000 = 0"))
    with recorded_statements(state) as statements:
        await client.get("/v1/users?deleted=true")
    async with state["sql"].engine.connect() as connection:
        assert "scan of users" not in await used_indexes(connection, statements[-1])
