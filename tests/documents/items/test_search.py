"""The search grammar: finds what it says, and takes nothing for an operator."""

from typing import Any

import httpx2
import pytest

from tests.documents.items.factories import found, found_where, make_item, search

NAME = {"field": "name", "op": "eq", "value": "a"}


@pytest.fixture
async def sample_items(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Four items that differ in everything."""
    power = [{"power": {"watts": watts}, "colour": colour} for watts, colour in _POWER]
    prices = ["1.00", "10.00", None, "100.00"]
    return [
        await make_item(client, name=name, type=name * 2, price=price, tags=tags, attributes=each)
        for name, price, tags, each in zip("abcd", prices, _TAGS, power, strict=True)
    ]


_POWER = [(100, "red"), (1450.5, "red (dark)"), ("1450", None), (True, ["red", "blue"])]
_TAGS: list[list[str]] = [["x"], ["x", "y"], [], ["y.*"]]


@pytest.mark.parametrize(
    ("field", "op", "value", "names"),
    [
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
    ],
)
async def test_each_operator_finds_its_items(
    client: httpx2.AsyncClient, sample_items: object, field: str, op: str, value: Any, names: str
) -> None:
    assert await found(client, field, op, value) == set(names)


async def test_conditions_combine(client: httpx2.AsyncClient, sample_items: object) -> None:
    red = {"field": "attributes.colour", "op": "prefix", "value": "red"}
    cheap = {"field": "price", "op": "lt", "value": 5}
    assert await found_where(client, {"and": [red, cheap]}) == {"a"}
    assert await found_where(client, {"or": [cheap, {**NAME, "value": "c"}]}) == {"a", "c"}
    assert await found_where(client, {"not": red}) == {"c"}
    assert await found_where(client, {"and": [red, {"not": {"or": [cheap, NAME]}}]}) == {"b", "d"}


async def test_a_search_finds_no_deleted_items(
    client: httpx2.AsyncClient, sample_items: list[dict[str, Any]]
) -> None:
    await client.delete(f"/v1/items/{sample_items[0]['id']}")
    assert await found_where(client, {"or": [NAME, {"not": NAME}]}) == {"b", "c", "d"}


async def test_pages_of_a_search_are_everything_once(
    client: httpx2.AsyncClient, sample_items: object
) -> None:
    body: dict[str, Any] = {"where": {"not": {**NAME, "value": "z"}}, "limit": 1, "sort": "name"}
    names = []
    for _ in range(4):
        answer = (await client.post("/v1/items/search", json={**body, "count": "exact"})).json()
        assert answer["total"] == 4
        names += [item["name"] for item in answer["items"]]
        body["cursor"] = answer["page"]["next_cursor"]
    assert names == ["a", "b", "c", "d"]
    assert body["cursor"] is None
    first = (await client.post("/v1/items/search", json={**body, "limit": 1})).json()
    other = {"where": NAME, "sort": "name", "cursor": first["page"]["next_cursor"]}
    assert (await client.post("/v1/items/search", json=other)).json()["code"] == "bad_cursor"


def _eq(value: Any, field: Any = "name", op: Any = "eq") -> dict[str, Any]:
    return {"field": field, "op": op, "value": value}


def _nested(levels: int, word: str = "not") -> Any:
    node: Any = NAME
    for _ in range(levels):
        node = {word: node if word == "not" else [node]}
    return node


HOSTILE: list[tuple[Any, str]] = [
    ({}, "/where"),
    ({"$where": "1"}, "/where"),
    ({"$where": "while(1){}"}, "/where"),
    ({"$expr": {"$eq": [1, 1]}}, "/where"),
    ({"name": {"$ne": None}}, "/where"),
    ({"$or": [NAME]}, "/where"),
    ({**NAME, "$comment": "x"}, "/where"),
    ({"field": "name", "op": "eq"}, "/where"),
    (_eq({"$ne": None}), "/where/value"),
    (_eq({"$gt": ""}), "/where/value"),
    (_eq({"$regex": ".*"}), "/where/value"),
    (_eq([["a"]], op="in"), "/where/value"),
    (_eq([{"$ne": 1}], op="in"), "/where/value"),
    (_eq("a", op="in"), "/where/value"),
    (_eq(["a"] * 201, op="in"), "/where/value"),
    (_eq({"$eq": 1}, op="contains"), "/where/value"),
    (_eq(1, op="exists"), "/where/value"),
    (_eq({"$ne": 1}, op="exists"), "/where/value"),
    (_eq("", op="prefix"), "/where/value"),
    (_eq("x" * 201, op="prefix"), "/where/value"),
    (_eq({"$regex": "x"}, op="prefix"), "/where/value"),
    (_eq("a", op="$eq"), "/where/op"),
    (_eq("a", op="$where"), "/where/op"),
    (_eq("a", op="regex"), "/where/op"),
    (_eq("a", op={"$ne": 1}), "/where/op"),
    (_eq("a", op=["eq"]), "/where/op"),
    (_eq("a", field="$where"), "/where/field"),
    (_eq("a", field="_id"), "/where/field"),
    (_eq("a", field="deleted_at"), "/where/field"),
    (_eq("a", field="idempotency_key"), "/where/field"),
    (_eq("a", field="attributes"), "/where/field"),
    (_eq("a", field="attributes."), "/where/field"),
    (_eq("a", field="attributes.$where"), "/where/field"),
    (_eq("a", field="attributes.a..b"), "/where/field"),
    (_eq("a", field="attributes.a\n"), "/where/field"),
    (_eq("a", field="attributes." + ".".join("a" * 17)), "/where/field"),
    (_eq("a", field={"$ne": 1}), "/where/field"),
    (_eq("cheap", field="price"), "/where/value"),
    (_eq(True, field="price"), "/where/value"),
    (_eq("1E+7000", field="price"), "/where/value"),
    (_eq("1." + "1" * 60, field="price"), "/where/value"),
    (_eq("2026-01-01T00:00:00", field="created_at"), "/where/value"),
    (_eq("0001-01-01T00:00:00+14:00", field="created_at"), "/where/value"),
    (_eq(None, field="created_at"), "/where/value"),
    (_eq(20260101, field="created_at"), "/where/value"),
    ({"and": []}, "/where/and"),
    ({"or": NAME}, "/where/or"),
    ({"and": [NAME, {"or": [NAME, 7]}]}, "/where/and/1/or/1"),
    ({"not": [NAME]}, "/where/not"),
    ({"and": [NAME] * 51}, "/where/and/50"),
]


@pytest.mark.parametrize(("where", "pointer"), HOSTILE)
async def test_what_is_no_search_is_refused_with_a_pointer(
    client: httpx2.AsyncClient, where: Any, pointer: str
) -> None:
    answer = await search(client, where)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_search")
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("where", [_nested(17), _nested(9, "and"), _nested(9, "or")])
async def test_conditions_without_end_are_refused(client: httpx2.AsyncClient, where: Any) -> None:
    assert (await search(client, where)).json()["code"] == "bad_search"


@pytest.mark.parametrize(("where", "code"), [(_nested(40), "too_deep"), ([NAME], "invalid")])
async def test_a_search_is_json_of_bounded_depth_before_it_is_a_search(
    client: httpx2.AsyncClient, where: Any, code: str
) -> None:
    assert (await search(client, where)).json()["code"] == code


@pytest.mark.parametrize(
    "value", ["a", "$a", "$where", "a.*", "(", "[", "\\", "*", "^", "|", "{$ne: 1}", "'; --", "\n"]
)
async def test_text_is_text_whatever_it_looks_like(client: httpx2.AsyncClient, value: str) -> None:
    await make_item(client, name="other", attributes={"t": "b"}, tags=["b"])
    made = await make_item(client, name=value, attributes={"t": value + "!"}, tags=[value])
    for field, op, sent in (
        ("name", "eq", value),
        ("name", "prefix", value),
        ("tags", "contains", value),
        ("attributes.t", "prefix", value),
        ("attributes.t", "in", [value + "!"]),
    ):
        assert await found(client, field, op, sent) == {made["name"]}, (field, op)
    assert [
        item["name"]
        for item in (await client.get("/v1/items", params={"name": value})).json()["items"]
    ] == [value]


@pytest.mark.parametrize("limit", [201, 2**31, 2**63 - 1])
async def test_a_search_gives_no_more_than_a_list(client: httpx2.AsyncClient, limit: int) -> None:
    where = {"field": "name", "op": "exists", "value": True}
    response = await client.post("/v1/items/search", json={"where": where, "limit": limit})
    assert response.json()["page"]["limit"] == 200
