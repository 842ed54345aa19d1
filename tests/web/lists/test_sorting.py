"""Sorts by several fields: what is accepted, and what is refused."""

import re
from typing import Annotated

import httpx2
import pytest
from pydantic import TypeAdapter, ValidationError

from service.web.lists.sorting import Sort, Sorting, parse_sort
from tests.documents.items.factories import make_item
from tests.relational.users.factories import iterate_pages
from tests.web.lists.test_sorted_pages import sorted_by

SORTS = TypeAdapter[str](
    Annotated[str, Sorting("created_at", "name", then=["city"], committed=True)]
)
GOOD = ("name", "-name,city", "created_at,-name,city", "committed")
BAD = (
    "", "-", "age", "city", "name,name", "name,-name", "name,", ",name", "--name", "name, city",
    "-committed", "committed,name", "name,committed", "name city", "created_at,name,city,name",
    "NAME", "name" + ",city" * 400,
)  # fmt: skip


@pytest.mark.parametrize("sort", GOOD)
def test_sorting_known_fields_each_once_are_accepted(sort: str) -> None:
    assert SORTS.validate_python(sort) == sort


@pytest.mark.parametrize("sort", BAD)
def test_sorting_unknown_fields_are_refused_with_the_known_ones(sort: str) -> None:
    with pytest.raises(ValidationError, match="up to 3 of created_at, name, each once"):
        SORTS.validate_python(sort)


def test_sorting_pattern_takes_what_is_accepted() -> None:
    pattern = SORTS.json_schema()["pattern"]
    assert all(re.fullmatch(pattern, sort) for sort in GOOD)
    assert not any(re.fullmatch(pattern, sort) for sort in BAD if "name" not in sort[4:])


def test_parse_sort_gives_fields_and_directions() -> None:
    assert parse_sort("-age,name") == (Sort("age", descending=True), Sort("name", descending=False))


@pytest.mark.parametrize("sort", ["type,created_at", "-type,-created_at"])
async def test_items_two_fields_hold_every_item_once(client: httpx2.AsyncClient, sort: str) -> None:
    made = [await make_item(client, type=f"t{number % 3}") for number in range(9)]
    pages = await iterate_pages(client, "/v1/items", {"sort": sort, "limit": 2})
    assert [item["id"] for page in pages for item in page] == sorted_by(made, sort)


async def test_sort_that_no_index_serves_is_422(client: httpx2.AsyncClient) -> None:
    for address in ("/v1/items?sort=price", "/v1/items?sort=name,type", "/v1/users?sort=city"):
        answer = await client.get(address)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["pointer"] == "/query/sort"
        assert "created_at" in error["detail"]
