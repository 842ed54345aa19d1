"""Searches by JSON Pointer, also of names that MongoDB's paths cannot reach."""

from typing import Any

import httpx2
import pytest

from service.documents.items.attribute_path import matching, names_in
from tests.documents.items.factories import make_item, search_names
from tests.documents.items.test_search import ATTRIBUTES, MATCHES, condition


async def test_search_pointer_finds_what_a_path_finds(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    """The same values under names that MongoDB's paths reach, and under others."""
    for name, (watts, colour) in zip("abcd", ATTRIBUTES, strict=True):
        inner = {"watts": watts, "": watts}
        attributes = {"power": inner, "$power.": inner, "colour": colour, "co.lour": colour}
        await make_item(client, name=name, attributes=attributes)
    await make_item(client, name="e", attributes={"$power.": None, "power": None})
    more: list[tuple[str, str, Any]] = [
        *(("attributes.power.watts", op, 100) for op in ("ne", "gt", "lt", "lte")),
        *(("attributes.colour", op, None) for op in ("ne", "gt", "lt")),
        *(("attributes.colour", op, ["red", None, 7]) for op in ("in", "nin")),
        ("attributes.power.watts", "lt", "z"),
        ("attributes.power.watts", "gte", False),
        ("attributes.power.watts", "exists", False),
        ("attributes.colour.1", "exists", True),
        ("attributes.colour", "contains", None),
    ]
    asked = [row[:3] for row in MATCHES if row[0].startswith("attributes.")] + more
    for field, op, value in asked:
        pointer = "/" + field.replace(".", "/")
        unreachable = pointer.replace("power/watts", "$power./").replace("colour", "co.lour")
        expected = await search_names(client, condition(value, field, op))
        for same in (pointer, unreachable):
            with subtests.test(field=same, op=op, value=value):
                assert await search_names(client, condition(value, same, op)) == expected


NAMES = ["home.dest", "$income", "", " a b ", "größe", "a/b~c", "\n", "x" * 190, "0", "$$ROOT", "."]


async def test_search_any_name_is_found_by_its_pointer(client: httpx2.AsyncClient) -> None:
    for place, name in enumerate(NAMES):
        await make_item(client, name=f"{place}", attributes={name: {name: [{name: "$x"}]}})
    for place, name in enumerate(NAMES):
        step = "/" + name.replace("~", "~0").replace("/", "~1")
        for field in (f"/attributes{step}{step}/0{step}", f"/attributes{step}{step}/0/{step[1:]}"):
            assert await search_names(client, condition("$x", field)) == {f"{place}"}, field
    dotted = {"field": "attributes.größe.größe.größe", "op": "eq", "value": "$x"}
    assert await search_names(client, dotted) == {f"{NAMES.index('größe')}"}
    assert await search_names(client, condition(None, "/attributes/$income/b", "ne")) == set()


async def test_search_large_number_is_compared_exactly(client: httpx2.AsyncClient) -> None:
    for number in (2**63 - 1, 2**64 - 1, 2**64, 10**34 - 1):
        await make_item(client, name=str(number), attributes={"n": number, "n.": number})
    for field in ("attributes.n", "/attributes/n", "/attributes/n."):
        exact = condition(2**64 - 1, field)
        assert await search_names(client, exact) == {str(2**64 - 1)}
        above = condition(2**64, field, "gte")
        assert await search_names(client, above) == {str(2**64), str(10**34 - 1)}


async def test_search_deepest_pointer_is_answered(client: httpx2.AsyncClient) -> None:
    node: Any = condition(1, "/attributes" + "/0" * 31 + "/.")
    for _ in range(7):
        node = {"or": [node]}
    assert await search_names(client, node) == set()


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("attributes.a.b", ("a", "b")),
        ("/attributes/a/b", ("a", "b")),
        ("/attributes/", ("",)),
        ("/attributes/a~1b~0c~01/$x", ("a/b~c~1", "$x")),
        ("attributes.a/b", ("a/b",)),
        ("attributes", None),
        ("attributes.", None),
        ("attributes.$a", None),
        ("/attributes", None),
        ("/attributes/a~", None),
        ("/attributes/a\x00", None),
        ("attributes/a", None),
        ("/other/a", None),
    ],
)
def test_names_in_field_are_its_path(field: str, names: object) -> None:
    assert names_in(field) == names


def test_matching_plain_names_is_a_path_that_the_index_serves() -> None:
    assert matching(("a", "b c"), {"$gt": 1}) == {"attributes.a.b c": {"$gt": 1}}
    assert set(matching(("a", "b.c"), {"$gt": 1})) == {"$expr"}
