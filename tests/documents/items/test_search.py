"""Searches: each operator, and input that must not become an operator of MongoDB."""

from typing import Any

import httpx2
import pytest

from service.documents.items.search import BadSearch, compile_search
from service.main import State
from tests.documents.items.factories import make_item, search, search_names

NAME = {"field": "name", "op": "eq", "value": "a"}


def condition(value: Any, field: Any = "name", op: Any = "eq") -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


@pytest.fixture
async def sample_items(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Four items that differ in every field."""
    power = [{"power": {"watts": watts}, "colour": colour} for watts, colour in ATTRIBUTES]
    prices = ["1.00", "10.00", None, "100.00"]
    return [
        await make_item(
            client, name=name, type=name * 2, price=price, tags=tags, attributes=attributes
        )
        for name, price, tags, attributes in zip("abcd", prices, _TAGS, power, strict=True)
    ]


ATTRIBUTES = [(100, "red"), (1450.5, "red (dark)"), ("1450", None), (True, ["red", "blue"])]
_TAGS: list[list[str]] = [["x"], ["x", "y"], [], ["y.*"]]


MATCHES: list[tuple[str, str, Any, str]] = [
    ("name", "eq", "a", "a"),
    ("name", "ne", "a", "bcd"),
    ("name", "gt", "b", "cd"),
    ("name", "in", ["a", "d", "z"], "ad"),
    ("name", "nin", ["a", "d"], "bc"),
    ("name", "in", [], ""),
    ("type", "prefix", "a", "a"),
    ("tags", "eq", "x", "ab"),
    ("tags", "contains", "y", "b"),
    ("tags", "contains", "y.*", "d"),
    ("tags", "prefix", "y", "bd"),
    ("tags", "prefix", "y.", "d"),
    ("tags", "eq", ".*", ""),
    ("price", "eq", 10, "b"),
    ("price", "gte", "10.00", "bd"),
    ("price", "lt", 10.5, "ab"),
    ("price", "eq", None, "c"),
    ("created_at", "gt", "2000-01-01T00:00:00Z", "abcd"),
    ("created_at", "lt", "2000-01-01T00:00:00+14:00", ""),
    ("updated_at", "in", ["2000-01-01T00:00:00Z"], ""),
    ("attributes.power.watts", "eq", 100, "a"),
    ("attributes.power.watts", "eq", 100.0, "a"),
    ("attributes.power.watts", "gte", 100, "ab"),
    ("attributes.power.watts", "eq", "1450", "c"),
    ("attributes.power.watts", "eq", True, "d"),
    ("attributes.power.watts", "exists", True, "abcd"),
    ("attributes.power.volts", "exists", False, "abcd"),
    ("attributes.colour", "eq", "red", "ad"),
    ("attributes.colour", "eq", None, "c"),
    ("attributes.colour", "contains", "blue", "d"),
    ("attributes.colour", "prefix", "red", "bda"),
    ("attributes.colour", "prefix", "red (", "b"),
    ("attributes.colour", "prefix", "RED", ""),
    ("attributes.colour", "prefix", "^red", ""),
    ("attributes.colour", "prefix", "r.d", ""),
    ("attributes.colour.1", "eq", "blue", "d"),
]


async def test_search_operator_finds_its_items(
    client: httpx2.AsyncClient, sample_items: object, subtests: pytest.Subtests
) -> None:
    for field, op, value, names in MATCHES:
        with subtests.test(field=field, op=op, value=value):
            assert await search_names(client, condition(value, field, op)) == set(names)


async def test_search_conditions_combine(client: httpx2.AsyncClient, sample_items: object) -> None:
    red = {"field": "attributes.colour", "op": "prefix", "value": "red"}
    cheap = {"field": "price", "op": "lt", "value": 5}
    assert await search_names(client, {"and": [red, cheap]}) == {"a"}
    assert await search_names(client, {"or": [cheap, {**NAME, "value": "c"}]}) == {"a", "c"}
    assert await search_names(client, {"not": red}) == {"c"}
    assert await search_names(client, {"and": [red, {"not": {"or": [cheap, NAME]}}]}) == {"b", "d"}


async def test_search_finds_no_deleted_items(
    client: httpx2.AsyncClient, sample_items: list[dict[str, Any]]
) -> None:
    await client.delete(f"/v1/items/{sample_items[0]['id']}")
    assert await search_names(client, {"or": [NAME, {"not": NAME}]}) == {"b", "c", "d"}


async def test_search_pages_hold_each_item_once(
    client: httpx2.AsyncClient, sample_items: object
) -> None:
    body: dict[str, Any] = {"where": {"not": {**NAME, "value": "z"}}, "limit": 1, "sort": "name"}
    names = []
    for _ in range(4):
        page = (await client.post("/v1/items/search", json={**body, "count": "exact"})).json()
        assert page["total"] == 4
        names += [item["name"] for item in page["items"]]
        body["cursor"] = page["page"]["next_cursor"]
    assert names == ["a", "b", "c", "d"]
    assert body["cursor"] is None
    first = (await client.post("/v1/items/search", json={**body, "limit": 1})).json()
    other = {"where": NAME, "sort": "name", "cursor": first["page"]["next_cursor"]}
    assert (await client.post("/v1/items/search", json=other)).json()["code"] == "bad_cursor"


def _nested(levels: int, word: str = "not") -> Any:
    node: Any = NAME
    for _ in range(levels):
        node = {word: node if word == "not" else [node]}
    return node


INVALID: list[tuple[Any, str]] = [
    ({}, "/where"),
    ({"$where": "1"}, "/where"),
    ({"$where": "while(1){}"}, "/where"),
    ({"$expr": {"$eq": [1, 1]}}, "/where"),
    ({"name": {"$ne": None}}, "/where"),
    ({"$or": [NAME]}, "/where"),
    ({**NAME, "$comment": "x"}, "/where"),
    ({"field": "name", "op": "eq"}, "/where"),
    (condition({"$ne": None}), "/where/value"),
    (condition({"$gt": ""}), "/where/value"),
    (condition({"$regex": ".*"}), "/where/value"),
    (condition([["a"]], op="in"), "/where/value"),
    (condition([{"$ne": 1}], op="in"), "/where/value"),
    (condition("a", op="in"), "/where/value"),
    (condition(["a"] * 201, op="in"), "/where/value"),
    (condition({"$eq": 1}, op="contains"), "/where/value"),
    (condition(1, op="exists"), "/where/value"),
    (condition({"$ne": 1}, op="exists"), "/where/value"),
    (condition("", op="prefix"), "/where/value"),
    (condition("x" * 201, op="prefix"), "/where/value"),
    (condition({"$regex": "x"}, op="prefix"), "/where/value"),
    (condition("a", op="$eq"), "/where/op"),
    (condition("a", op="$where"), "/where/op"),
    (condition("a", op="regex"), "/where/op"),
    (condition("a", op={"$ne": 1}), "/where/op"),
    (condition("a", op=["eq"]), "/where/op"),
    (condition("a", field="$where"), "/where/field"),
    (condition("a", field="_id"), "/where/field"),
    (condition("a", field="deleted_at"), "/where/field"),
    (condition("a", field="idempotency_key"), "/where/field"),
    (condition("a", field="attributes"), "/where/field"),
    (condition("a", field="attributes."), "/where/field"),
    (condition("a", field="attributes.$where"), "/where/field"),
    (condition("a", field="attributes.a..b"), "/where/field"),
    (condition("a", field="attributes.a.$b"), "/where/field"),
    (condition("a", field="attributes." + ".".join("a" * 33)), "/where/field"),
    (condition("a", field="attributes." + "a" * 2000), "/where/field"),
    (condition("a", field="/attributes"), "/where/field"),
    (condition("a", field="/attributes/a~2b"), "/where/field"),
    (condition("a", field="/attributes" + "/$" * 33), "/where/field"),
    (condition("a", field="/name"), "/where/field"),
    (condition("a", field="/_id/$a"), "/where/field"),
    (condition({"$ne": 1}, field="/attributes/a.b"), "/where/value"),
    (condition(10**34, field="attributes.a"), "/where/value"),
    (condition([1, -(10**34)], field="/attributes/a.b", op="in"), "/where/value"),
    (condition("a", field={"$ne": 1}), "/where/field"),
    (condition("cheap", field="price"), "/where/value"),
    (condition(True, field="price"), "/where/value"),
    (condition("1E+7000", field="price"), "/where/value"),
    (condition("1." + "1" * 60, field="price"), "/where/value"),
    (condition("2026-01-01T00:00:00", field="created_at"), "/where/value"),
    (condition("0001-01-01T00:00:00+14:00", field="created_at"), "/where/value"),
    (condition(None, field="created_at"), "/where/value"),
    (condition(20260101, field="created_at"), "/where/value"),
    ({"and": []}, "/where/and"),
    ({"or": NAME}, "/where/or"),
    ({"and": [NAME, {"or": [NAME, 7]}]}, "/where/and/1/or/1"),
    ({"not": [NAME]}, "/where/not"),
    ({"and": [NAME] * 51}, "/where/and/50"),
]


@pytest.mark.parametrize("where", [_nested(17), _nested(9, "and"), _nested(9, "or")])
def test_compile_search_nesting_is_limited(where: Any) -> None:
    with pytest.raises(BadSearch):
        compile_search(where)


async def test_search_invalid_part_is_an_error_with_a_pointer(
    client: httpx2.AsyncClient, subtests: pytest.Subtests
) -> None:
    for where, pointer in INVALID:
        with subtests.test(where=where):
            response = await search(client, where)
            assert (response.status_code, response.json()["code"]) == (422, "bad_search")
            assert response.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(("where", "code"), [(_nested(40), "too_deep"), ([NAME], "invalid")])
async def test_search_json_is_checked_before_the_search(
    client: httpx2.AsyncClient, where: Any, code: str
) -> None:
    assert (await search(client, where)).json()["code"] == code


@pytest.mark.parametrize(
    "value", ["a", "$a", "$where", "a.*", "(", "[", "\\", "*", "^", "|", "{$ne: 1}", "'; --", " ."]
)
async def test_search_text_is_no_pattern_or_operator(
    client: httpx2.AsyncClient, value: str
) -> None:
    await make_item(client, name="other", attributes={"t": "b"}, tags=["b"])
    await make_item(client, name=value, attributes={"t": value + "!"}, tags=[value])
    for field, op, searched in (
        ("name", "eq", value),
        ("name", "prefix", value),
        ("tags", "contains", value),
        ("attributes.t", "prefix", value),
        ("attributes.t", "in", [value + "!"]),
    ):
        assert await search_names(client, condition(searched, field, op)) == {value}, (field, op)
    listed = (await client.get("/v1/items", params={"name": value})).json()["items"]
    assert [item["name"] for item in listed] == [value]


@pytest.mark.parametrize("limit", [201, 2**31, 2**63 - 1])
async def test_search_limit_is_at_most_200(client: httpx2.AsyncClient, limit: int) -> None:
    where = {"field": "name", "op": "exists", "value": True}
    response = await client.post("/v1/items/search", json={"where": where, "limit": limit})
    assert response.json()["page"]["limit"] == 200


async def test_name_in_either_form_is_found_whichever_is_stored(
    client: httpx2.AsyncClient, state: State
) -> None:
    await make_item(client, name="Jose\u0301", tags=["cafe\u0301"])
    old = {"name": "Jose\u0301", "tags": ["cafe\u0301"]}
    item = await make_item(client, name="old")
    await state["mongo"].database["items"].update_one({"name": "old"}, {"$set": old})
    assert item["name"] == "old"
    for name, tag in (("Jos\u00e9", "café"), ("Jose\u0301", "cafe\u0301")):
        for query in ({"name": name}, {"tag": tag}):
            found = (await client.get("/v1/items", params=query)).json()["items"]
            assert len(found) == 2, query
        for field, op, value in (
            ("name", "eq", name),
            ("name", "in", [name]),
            ("name", "prefix", name),
            ("tags", "contains", tag),
        ):
            where = {"field": field, "op": op, "value": value}
            found = await client.post("/v1/items/search", json={"where": where})
            assert len(found.json()["items"]) == 2, where
    where = {"field": "name", "op": "ne", "value": "Jos\u00e9"}
    assert (await client.post("/v1/items/search", json={"where": where})).json()["items"] == []
