"""Filters of users: each alone, and some together, among the same six users."""

from typing import Any

import httpx2
import pytest

from tests.relational.users.factories import make_users

PEOPLE: tuple[dict[str, Any], ...] = (
    {"username": "ada.l", "name": "Ada Lovelace", "city": "London", "age": 36},
    {"username": "grace", "name": "Grace Hopper", "city": "New York", "age": 85},
    {
        "username": "al_an",
        "name": "Alan M. Turing",
        "city": "LONDON",
        "age": 41,
        "is_active": False,
    },
    {"username": "jean-luc", "name": "100%_Real O'Brien", "status": "suspended"},
    {"username": "niki", "name": "Νίκη ΠΑΤΡΑΣ", "city": "ΠΆΤΡΑΣ", "age": 36},
    {"username": "istan", "name": "İpek", "city": "İstanbul", "age": 0},
)


@pytest.fixture(scope="module")
async def filled_client(module_client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    await make_users(module_client, *PEOPLE)
    return module_client


@pytest.mark.parametrize(
    ("query", "usernames"),
    [
        ({"q": "lon"}, "ada.l al_an"),
        ({"q": "LOVE londo"}, "ada.l"),
        ({"q": "brien"}, "jean-luc"),
        ({"q": "luc"}, "jean-luc"),
        ({"q": "new hop"}, "grace"),
        ({"q": "lovelace turing"}, ""),
        ({"q": "!!! & | <-> :* '"}, ""),
        ({"q": "grace | alan"}, ""),
        ({"name": "ada lovelace"}, "ada.l"),
        ({"name": "ada"}, ""),
        ({"name__prefix": "AL"}, "al_an"),
        ({"name__prefix": "100%_"}, "jean-luc"),
        ({"name__prefix": "100_%"}, ""),
        ({"name__prefix": "%"}, ""),
        ({"name__prefix": "\\"}, ""),
        ({"city": "london"}, "ada.l al_an"),
        ({"city": "ΠΆΤΡΑΣ"}, "niki"),
        ({"city": "πάτρας"}, ""),
        ({"city": "İSTANBUL"}, "istan"),
        ({"age": 36}, "ada.l niki"),
        ({"age__gte": 41}, "grace al_an"),
        ({"age__lte": 36}, "ada.l niki istan"),
        ({"age__gte": 36, "age__lte": 41}, "ada.l al_an niki"),
        ({"status": "suspended"}, "jean-luc"),
        ({"is_active": "false"}, "al_an"),
        ({"is_active": "true", "city": "london"}, "ada.l"),
        ({"created_at__gte": "2199-01-01T00:00:00Z"}, ""),
        ({"created_at__lt": "2199-01-01T00:00:00+02:00", "age": 0}, "istan"),
    ],
)
async def test_list_filter_returns_matching_users(
    filled_client: httpx2.AsyncClient, query: dict[str, Any], usernames: str
) -> None:
    answer = await filled_client.get(
        "/v1/users", params={**query, "count": "exact", "sort": "created_at"}
    )
    assert answer.status_code == 200
    names = {user["username"] for user in answer.json()["items"]}
    assert names == set(usernames.split())
    assert answer.json()["total"] == len(names)
