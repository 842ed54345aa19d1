"""Free text in queries never reaches the limits of a store, whatever it is.

The parameters are derived from the OpenAPI document, so that a new list is covered.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PARTS = (
    *"-\"'\\!&|()<>:*.,/@%_~#$^+?[]{}=;0 aZé漢\t\n\u00a0\u0301\u200b\u200d\u202e\u3000\x00\x7f😀",
    "or", "and", " or ", ' -"', ":*", "<->", "http://a.b/c?d=e", "a@b.example", "/usr/lib", "'s",
    "foo-bar", "1e9", "-1", "&amp;", "<b>", "word",
)  # fmt: skip
MOST_CHARS = 200
# A few kinds of parts, so that each is often repeated; or any text.
TEXTS = st.one_of(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).flatmap(
        lambda kinds: st.lists(st.sampled_from(kinds), min_size=1, max_size=MOST_CHARS)
    ),
    st.lists(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MOST_CHARS),
).map(lambda parts: "".join(parts)[:MOST_CHARS])
CHECKED_BEFORE = {"cursor", "fields", "expand"}  # no store gets their text
ENDLESS = {"/v1/predictions/tail"}
Parameter = tuple[str, str]  # path and name
GENERATED = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def free_text(app: FastAPI) -> Iterator[Parameter]:
    """The parameters of queries that take any text."""
    for path, operations in app.openapi()["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            is_text = parameter["in"] == "query" and takes_any_text(parameter["schema"])
            if is_text and path not in ENDLESS and parameter["name"] not in CHECKED_BEFORE:
                yield path, parameter["name"]


def takes_any_text(schema: dict[str, Any]) -> bool:
    kinds = schema.get("anyOf", [schema])
    limits = ("enum", "const", "format", "pattern")
    return any(
        kind.get("type") == "string" and not any(limit in kind for limit in limits)
        for kind in kinds
    )


@pytest.fixture(scope="module")
def parameters(app: FastAPI) -> list[Parameter]:
    return list(free_text(app))


def test_parameters_every_search_is_found(parameters: list[Parameter]) -> None:
    searches = {path for path, name in parameters if name == "q"}
    assert searches == {
        "/v1/users",
        "/v1/posts",
        "/v1/users/{user_id}/posts",
        "/v1/products",
        "/v1/tags",
    }


@pytest.mark.parametrize(
    "text",
    ["-" * 33, "- " * 100, "-!" * 100, "-" * 99 + ' "a b"', "漢" * MOST_CHARS, "'" * MOST_CHARS],
)
async def test_search_repeated_text_is_answered(
    module_client: httpx2.AsyncClient, parameters: list[Parameter], text: str
) -> None:
    for path, name in parameters:
        if name == "q":
            response = await module_client.get(filled(path), params={name: text})
            assert response.status_code in {200, 404}, path  # there is no such user


@GENERATED
@given(text=TEXTS, index=st.integers(0, 999))
async def test_query_any_text_is_answered_without_failure(
    module_client: httpx2.AsyncClient, parameters: list[Parameter], text: str, index: int
) -> None:
    path, name = parameters[index % len(parameters)]
    response = await module_client.get(filled(path), params={name: text})
    assert response.status_code < 500, (path, name)


def filled(path: str) -> str:
    """The path with an id of nothing."""
    return "/".join(str(UUID(int=1)) if "{" in part else part for part in path.split("/"))


@GENERATED
@given(text=TEXTS)
async def test_search_of_items_any_text_is_answered_without_failure(
    module_client: httpx2.AsyncClient, text: str
) -> None:
    for field in ("name", "attributes.a"):
        where = {"or": [{"field": field, "op": op, "value": text} for op in ("eq", "prefix")]}
        response = await module_client.post("/v1/items/search", json={"where": where})
        assert response.status_code < 500, response.text
