"""Cursors are of bounded length, whatever the sort values, and are taken back."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import example, given
from hypothesis import strategies as st

from service.core.signing import Signer
from service.web.lists.cursors import MAX_CURSOR, BadCursor, Cursor, read_cursor, write_cursor
from service.web.lists.sorting import MOST_FIELDS
from service.web.schemas import EXAMPLE_ID
from tests.documents.items.factories import make_item
from tests.relational.users.factories import make_user

SIGNER = Signer([b"a secret"])
LIST = b'["/v1/users", "name", {}]'
LONGEST = 254
VALUES = st.one_of(
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=LONGEST),
    st.sampled_from("😀ж\x01\"\\'\x7fa").map(lambda one: one * LONGEST),
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(min_value=0, max_value=10**12, places=2),
    st.datetimes(timezones=st.just(UTC)),
)


@given(st.lists(VALUES, min_size=1, max_size=MOST_FIELDS), st.uuids())
@example(["\U0010ffff" * LONGEST] * MOST_FIELDS, UUID(int=2**128 - 1))
def test_write_cursor_any_values_is_bounded_and_read(values: list[Any], key: UUID) -> None:
    end = Cursor(tuple(values), key)
    text = write_cursor(end, LIST, SIGNER)
    assert len(text) <= MAX_CURSOR
    assert read_cursor(text, LIST, SIGNER) == end


def test_read_cursor_keeps_types() -> None:
    values = (Decimal("1.50"), datetime(2026, 1, 1, 0, 0, 0, 123000, UTC), 7, "7")
    read = read_cursor(write_cursor(Cursor(values, uuid4()), LIST, SIGNER), LIST, SIGNER)
    assert list(map(type, read.values)) == [Decimal, datetime, int, str]


def test_read_cursor_of_another_list_is_refused() -> None:
    text = write_cursor(Cursor(("a",), uuid4()), LIST, SIGNER)
    with pytest.raises(BadCursor):
        read_cursor(text, LIST.replace(b"users", b"posts"), SIGNER)


# Written by the release before for b"a secret", /v1/users and no filters.
@pytest.mark.parametrize(
    ("sort", "value", "text"),
    [
        (
            "committed",
            12345,
            (
                "w1Kg7XkbzkvbDuYw4tePXVsiaW50IiwgMTIzNDUsICIwMTkzMGQ2ZS03YTAwLTcwMDAtODAwMC0wMDAw"
                "MDAwMDAwMDEiXQ=="
            ),
        ),
        (
            "-created_at",
            datetime(2026, 11, 1, 12, 0, 0, 123000, UTC),
            (
                "zEloLw3AB8oE5cTIBsVbPFsiZGF0ZXRpbWUiLCAiMjAyNi0xMS0wMSAxMjowMDowMC4xMjMwMDArMDA6"
                "MDAiLCAiMDE5MzBkNmUtN2EwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAxIl0="
            ),
        ),
    ],
)
def test_read_cursor_of_the_release_before_is_taken(sort: str, value: Any, text: str) -> None:
    made_for = json.dumps(["/v1/users", sort, {}]).encode()
    assert read_cursor(text, made_for, SIGNER) == Cursor((value,), UUID(EXAMPLE_ID))
    for other, signer in ((LIST, SIGNER), (made_for, Signer([b"another"]))):
        with pytest.raises(BadCursor):
            read_cursor(text, other, signer)


# Of each list, the text that it is sorted by, as long as its schema allows.
TEXTS: dict[str, dict[str, int]] = {
    "users_list": {"username": 50, "name": 200, "city": 200, "email": 254},
    "users_list_emails": {"email": 254},
    "tags_list": {"name": 60},
    "posts_list": {"title": 200},
    "posts_list_of_user": {"title": 200},
    "categories_list": {"name": 200},
    "products_list": {"name": 200},
    "items_list": {"name": 200, "type": 200},
    "retention_list": {"model": 200},
    "experiments_list": {"name": 500},
    "registered_models_list": {"name": 256},
    "models_list": {"name": 300},
    "run_artifacts_list": {"path": 1024},
    "logged_model_artifacts_list": {"path": 1024},
}
NOT_TEXT = {"created_at", "views", "price", "age", "received_at", "timestamp", "committed"} | {
    "number", "updated_at",
}  # fmt: skip


def test_every_list_sorted_by_text_is_among_the_texts(app: FastAPI) -> None:
    found = {}
    for path in app.openapi()["paths"].values():
        parameters = path.get("get", {}).get("parameters", ())
        queries = {item["name"]: item for item in parameters if item["in"] == "query"}
        if "cursor" not in queries:
            continue
        cursor = json.dumps(queries["cursor"]["schema"])
        assert f'"maxLength": {MAX_CURSOR}' in cursor, "cursors of every list have one length"
        if "sort" not in queries:
            continue  # a search, whose cursors have parts of long texts
        sort = queries["sort"]["schema"]
        words = sort.get("pattern") or " ".join(sort.get("enum", [sort.get("const")]))
        names = set(re.findall("[a-z_]+", words)) - NOT_TEXT
        if names:
            found[path["get"]["operationId"]] = names
    assert found == {name: set(texts) for name, texts in TEXTS.items()}


HOSTILE = ("😀", "ж", '"', "\\", "'", "é\u0301")


async def walk(client: httpx2.AsyncClient, address: str, **query: Any) -> list[str]:
    """Return the ids of a list, item by item, by its cursors."""
    ids, cursor = [], dict[str, str]()
    while True:
        answer = await client.get(address, params={**query, **cursor, "limit": 1})
        assert answer.status_code == 200, answer.text
        ids += [item["id"] for item in answer.json()["items"]]
        cursor = {"cursor": answer.json()["page"]["next_cursor"]}
        if not answer.json()["page"]["has_more"]:
            return ids


@pytest.mark.parametrize("sort", ["name,city,email", "-name,city,-email"])
async def test_users_with_the_longest_texts_are_walked(
    client: httpx2.AsyncClient, sort: str
) -> None:
    made = [
        await make_user(client, name=(one * 200)[:200], city=(one * 200)[:199] + end)
        for one in HOSTILE
        for end in "ab"
    ]
    ids = await walk(client, "/v1/users", sort=sort)
    assert sorted(ids) == sorted(user["id"] for user in made)


async def test_items_with_the_longest_names_are_walked(client: httpx2.AsyncClient) -> None:
    made = [
        await make_item(client, name=(one * 200)[:199] + end) for one in HOSTILE for end in "ab"
    ]
    for sort in ("name", "-name"):
        assert sorted(await walk(client, "/v1/items", sort=sort)) == sorted(i["id"] for i in made)
