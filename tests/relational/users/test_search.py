"""Search of users by parts of words, and by prefixes of names in the case rules of PostgreSQL."""

from typing import Any

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


PEOPLE: tuple[dict[str, Any], ...] = (
    {"username": "gagan", "name": "Gagan Singh", "city": "Göttingen", "email": "g1@mail.example"},
    {"username": "jose", "name": "Jos\u00e9 «Pepe» Núñez", "city": "São Paulo"},
    {"username": "acdc", "name": "AC/DC — “Fan”", "city": "Groß-Gerau"},
    {"username": "noise", "name": "Gaga Aganoff ndc", "city": "xac"},
)


@pytest.mark.parametrize(
    ("q", "usernames"),
    [
        ("agan", "gagan noise"),
        ("agan SING", "gagan"),
        ("otting", "gagan"),
        ("g1@mail.example", "gagan"),
        ("g1@mail", "gagan"),
        ("JOSE", "jose"),
        ("jose\u0301", "jose"),
        ("pepe", "jose"),
        ("unez", "jose"),
        ("aulo sao", "jose"),
        ("AC/DC", "acdc"),
        ("ac-dc", "acdc"),
        ("dc", "acdc"),
        ("fan", "acdc"),
        ("GROSS-ger", "acdc"),
        ("gagag", ""),
        ("ganoffn", ""),
        ("ingh gott", "gagan"),
        ("ndx", ""),
        ("😀", ""),
        ("%", ""),
    ],
)
async def test_search_parts_of_words_are_found(
    client: httpx2.AsyncClient, q: str, usernames: str
) -> None:
    await make_users(client, *PEOPLE)
    users = (await client.get("/v1/users", params={"q": q})).json()["items"]
    assert {user["username"] for user in users} == set(usernames.split())
