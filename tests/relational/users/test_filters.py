"""Filters of users: each alone, and some together, among the same six users."""

from typing import Any

import httpx2
import pytest

from tests.relational.users.factories import make_users

PEOPLE: tuple[dict[str, Any], ...] = (
    {
        "username": "ada.l",
        "email": "ada@example.com",
        "name": "Ada Lovelace",
        "city": "London",
        "age": 36,
    },
    {"username": "grace", "name": "Grace Hopper", "city": "New York", "age": 85},
    {
        "username": "al_an",
        "name": "Alan M. Turing",
        "city": "LONDON",
        "age": 41,
        "is_active": False,
    },
    {"username": "jean-luc", "name": "100%_Real O'Brien", "status": "suspended"},
    {"username": "niki", "name": "Νίκη ΠΑΤΡΑΣ", "city": "ΠΆΤΡΑΣ", "age": 36, "role": "editor"},
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
        ({"username": "GRACE"}, "grace"),
        ({"username": "grac"}, ""),
        ({"username__in": "Grace,AL_AN,nobody"}, "grace al_an"),
        ({"email": "ADA@Example.com"}, "ada.l"),
        ({"email__in": "ada@example.com,X@example.com"}, "ada.l"),
        ({"role": "editor"}, "niki"),
        ({"role__in": "editor,admin"}, "niki"),
        ({"role__ne": "member"}, "niki"),
        ({"name__null": "true"}, ""),
        ({"city__in": "LONDON,ΠΆΤΡΑΣ"}, "ada.l al_an niki"),
        ({"city__null": "true"}, "jean-luc"),
        ({"city__null": "false", "age__lte": 36}, "ada.l niki istan"),
        ({"age__in": "36,0,36"}, "ada.l niki istan"),
        ({"age__null": "true"}, "jean-luc"),
        ({"age__null": "false"}, "ada.l grace al_an niki istan"),
        ({"status__in": "suspended,pending"}, "jean-luc"),
        ({"status__ne": "active"}, "jean-luc"),
        ({"status__ne": "suspended", "age__in": "41,85"}, "grace al_an"),
        ({"status__ne": "active", "status__in": "active"}, ""),
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


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("age__in=1,x", "/query/age__in/1"),
        ("age__in=", "/query/age__in/0"),
        ("age__in=1,", "/query/age__in/1"),
        ("status__in=active,gone", "/query/status__in/1"),
        ("status__ne=gone", "/query/status__ne"),
        ("username__in=" + ",".join(map(str, range(51))), "/query/username__in"),
        ("city__in=" + "x" * 2001, "/query/city__in"),
        ("city__in=" + "x" * 255, "/query/city__in/0"),
        ("city__null=perhaps", "/query/city__null"),
    ],
)
async def test_list_filter_invalid_is_422(
    filled_client: httpx2.AsyncClient, query: str, pointer: str
) -> None:
    answer = await filled_client.get(f"/v1/users?{query}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_list_filter_that_no_index_serves_is_400(filled_client: httpx2.AsyncClient) -> None:
    for name in ("bio__null", "city__ne", "name__in", "is_active__ne", "age__present"):
        answer = await filled_client.get("/v1/users", params={name: "1"})
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter"), name


async def test_list_filter_repeated_counts_the_last_on_every_list(
    filled_client: httpx2.AsyncClient,
) -> None:
    users = await filled_client.get("/v1/users?age__in=36&age__in=85")
    assert [user["username"] for user in users.json()["items"]] == ["grace"]
    tags = await filled_client.get("/v1/tags?name__in=a&name__in=b,c")
    assert tags.json()["items"] == []
