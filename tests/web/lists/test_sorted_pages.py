"""Pages of users in every order hold each of them once, with ties and missing values."""

from itertools import permutations, product
from random import Random
from typing import Any

import httpx2
import pytest

from service.web.lists.sorting import Sort, parse_sort
from tests.relational.users.factories import iterate_pages, make_users


@pytest.fixture(scope="module")
async def people(module_client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Users with equal, missing and empty values, made in two transactions."""
    random = Random(7)
    bodies = [
        {
            "name": random.choice([None, "A", "a", "Ab", "Ä", "Ann"]),
            "age": random.choice([None, 0, 0, 7, 150]),
            "city": random.choice([None, "", "Oslo", "Rome"]),
        }
        for _ in range(60)
    ]
    return [
        *await make_users(module_client, *bodies[:25]),
        *await make_users(module_client, *bodies[25:]),
    ]


def sorted_by(rows: list[dict[str, Any]], sort: str) -> list[str]:
    """Return the ids in order: a missing value comes before all others."""
    fields = parse_sort(sort)
    for field, descending in reversed([*fields, Sort("id", fields[-1].descending)]):
        missing: Any = -1 if field == "age" else ""
        rows = sorted(
            rows,
            key=lambda row: missing if row[field] is None else row[field],
            reverse=descending,
        )
    return [row["id"] for row in rows]


def all_sorts() -> list[str]:
    """Return each field alone, and pairs and triples with every combination of directions."""
    first, fields = ("age", "name", "created_at"), ("age", "name", "city")
    named: list[tuple[str, ...]] = [(field,) for field in (*first, "username", "email")]
    named += [pair for pair in permutations((*first, "city"), 2) if pair[0] in first]
    named += [three for three in permutations(fields) if three[0] in first]
    return [
        ",".join(map("".join, zip(minus, names, strict=True)))
        for names in named
        for minus in product(("", "-"), repeat=len(names))
    ]


async def test_users_every_sort_holds_every_row_once_in_order(
    module_client: httpx2.AsyncClient, people: list[dict[str, Any]]
) -> None:
    for sort in all_sorts():
        pages = await iterate_pages(module_client, "/v1/users", {"sort": sort, "limit": 17})
        assert [user["id"] for page in pages for user in page] == sorted_by(people, sort), sort


async def test_users_sorted_with_a_filter_are_in_order(
    module_client: httpx2.AsyncClient, people: list[dict[str, Any]]
) -> None:
    query = {"sort": "-age,name", "limit": 5, "city__null": "true"}
    pages = await iterate_pages(module_client, "/v1/users", query)
    some = [user for user in people if user["city"] is None]
    assert [user["id"] for page in pages for user in page] == sorted_by(some, "-age,name")
