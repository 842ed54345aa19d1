"""Many products at once: all or none, or each by itself, in as many statements as for one."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from service.main import State
from tests.documents.predictions.factories import NDJSON
from tests.relational.catalog.factories import (
    PRODUCTS,
    make_category,
    make_product,
    movements,
    product_body,
)
from tests.relational.users.statements import recorded_statements
from tests.web.bulk import NON_ATOMIC, deadlocks, refused, told

BULK, DELETE = f"{PRODUCTS}/bulk", f"{PRODUCTS}/bulk/delete"
UNKNOWN = "01930d6e-0000-7000-8000-000000000000"


async def make_products(client: httpx2.AsyncClient, count: int) -> list[dict[str, Any]]:
    bodies = [product_body() for _ in range(count)]
    answer = await client.post(BULK, json={"items": bodies})
    assert answer.status_code == 201, answer.text
    made: list[dict[str, Any]] = answer.json()["items"]
    assert [each["sku"] for each in made] == [each["sku"] for each in bodies]
    return made


async def stored(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{PRODUCTS}?limit=200")).json()["items"]
    return found


async def test_each_is_as_if_it_had_been_made_by_itself(client: httpx2.AsyncClient) -> None:
    made = await make_products(client, 60)
    one = made[42]
    assert (await client.get(f"{PRODUCTS}/{one['id']}")).json() == one
    (moved,) = await movements(client, one)
    assert (moved["reason"], moved["change"], moved["stock_after"]) == ("initial", 60, 60)


async def test_all_or_none_names_every_place_and_makes_nothing(client: httpx2.AsyncClient) -> None:
    there = await make_product(client)
    taken = [product_body(sku=there["sku"].lower()) for _ in range(30)]
    stray = product_body(category_id=UNKNOWN)
    answer = await client.post(BULK, json={"items": [product_body(), *taken, stray]})
    status, code, places = refused(answer)
    assert (status, code) == (409, "items_refused")
    assert places == [
        *[(f"/items/{place}/sku", "sku_taken") for place in range(1, 31)],
        ("/items/31/category_id", "category_unknown"),
    ]
    assert await stored(client) == [there]
    alike = await client.post(BULK, json={"items": [product_body(), *taken]})
    assert refused(alike)[:2] == (409, "sku_taken")
    broken = [product_body(), product_body(stock=-1), product_body(sku=None)]
    answer = await client.post(BULK, json={"items": broken})
    assert (answer.status_code, [place for place, _ in refused(answer)[2]]) == (
        422,
        ["/items/1/stock", "/items/2/sku"],
    )
    assert await stored(client) == [there]


async def test_one_broken_item_never_loses_the_others(client: httpx2.AsyncClient) -> None:
    there, twice = await make_product(client), product_body()
    items = [
        twice,
        product_body(colour="red"),
        product_body(sku=there["sku"]),
        {**twice, "name": "again"},
        "no object",
        product_body(category_id=UNKNOWN),
        product_body(stock=0),
    ]
    answer = await client.post(BULK, params=NON_ATOMIC, json={"items": items})
    assert told(answer) == [
        (201, None, []),
        (422, "invalid", ["/items/1/colour"]),
        (409, "sku_taken", ["/items/2/sku"]),
        (409, "sku_taken", ["/items/3/sku"]),
        (422, "invalid", ["/items/4"]),
        (409, "category_unknown", ["/items/5/category_id"]),
        (201, None, []),
    ]
    first = answer.json()["items"][0]
    kept = (await client.get(f"{PRODUCTS}/{first['id']}")).json()
    assert (kept["sku"], kept["name"], kept["version"]) == (twice["sku"], "thing", first["version"])
    assert len(await stored(client)) == 3


async def test_a_repeated_request_gets_the_same_statuses(client: httpx2.AsyncClient) -> None:
    body, key = {"items": [product_body(), product_body(stock=-1)]}, {"Idempotency-Key": "bulk 1"}
    first = await client.post(BULK, params=NON_ATOMIC, json=body, headers=key)
    again = await client.post(BULK, params=NON_ATOMIC, json=body, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.status_code, again.content) == (207, first.content)
    assert len(await stored(client)) == 1


async def test_a_patch_changes_what_each_item_names(client: httpx2.AsyncClient) -> None:
    shelf = await make_category(client)
    one, two, three = await make_products(client, 3)
    items = [
        {"id": three["id"], "stock": 7, "category_id": shelf["id"]},
        {"id": one["id"], "version": 1, "price": "1.50", "sku": one["sku"].lower()},
        {"id": two["id"], "stock": 60},
    ]
    answer = await client.patch(BULK, json={"items": items})
    assert answer.status_code == 200, answer.text
    changed = answer.json()["items"]
    for before, after, fields in (
        (three, changed[0], {"stock": 7, "category_id": shelf["id"]}),
        (one, changed[1], {"price": "1.50", "sku": one["sku"].lower()}),
        (two, changed[2], {}),
    ):
        assert after == {**before, **fields, "version": 2, "updated_at": after["updated_at"]}
        assert (await client.get(f"{PRODUCTS}/{after['id']}")).json() == after
    counted = [(each["reason"], each["change"]) for each in await movements(client, three)]
    assert counted == [("counted", -53), ("initial", 60)]
    assert len(await movements(client, two)) == 1
    cleared = {"items": [{"id": three["id"], "category_id": None}]}
    (after,) = (await client.patch(BULK, json=cleared)).json()["items"]
    assert (after["category_id"], after["stock"]) == (None, 7)


async def test_what_cannot_be_changed_is_told_item_by_item(client: httpx2.AsyncClient) -> None:
    one, two, three, gone = await make_products(client, 4)
    await client.delete(f"{PRODUCTS}/{gone['id']}")
    items = [
        {"id": one["id"], "sku": "fresh"},
        {"id": UNKNOWN, "name": "x"},
        {"id": two["id"], "version": 2, "name": "x"},
        {"id": three["id"], "sku": "FRESH"},
        {"id": one["id"], "name": "x"},
        {"id": gone["id"], "name": "x"},
        {"name": "x"},
    ]
    places = [
        (404, "product_not_found", ["/items/1/id"]),
        (412, "precondition_failed", ["/items/2/version"]),
        (409, "sku_taken", ["/items/3/sku"]),
        (422, "repeated", ["/items/4/id"]),
        (404, "product_not_found", ["/items/5/id"]),
    ]
    refusal = await client.patch(BULK, json={"items": items[:-1]})
    status, code, errors = refused(refusal)
    assert (status, code) == (409, "items_refused")
    assert errors == [(pointer, kind) for _, kind, (pointer,) in places]
    unchanged = {each["id"]: each["version"] for each in await stored(client)}
    assert unchanged == {each["id"]: 1 for each in (one, two, three)}

    answer = await client.patch(BULK, params=NON_ATOMIC, json={"items": items})
    assert told(answer) == [(200, None, []), *places, (422, "invalid", ["/items/6/id"])]
    versions = {each["id"]: each["version"] for each in await stored(client)}
    assert versions == {one["id"]: 2, two["id"]: 1, three["id"]: 1}
    swap = [{"id": one["id"], "sku": three["sku"]}, {"id": three["id"], "sku": "fresh"}]
    answer = await client.patch(BULK, json={"items": swap})
    assert refused(answer)[:2] == (409, "sku_taken")


async def test_put_makes_what_is_new_and_changes_the_rest(client: httpx2.AsyncClient) -> None:
    there, gone = await make_products(client, 2)
    await client.delete(f"{PRODUCTS}/{gone['id']}")
    fresh = product_body()
    items = [
        product_body(sku=there["sku"].lower(), stock=61),
        fresh,
        product_body(sku=gone["sku"], name="back"),
    ]
    answer = await client.put(BULK, json={"items": items})
    assert answer.status_code == 200, answer.text
    put = answer.json()["items"]
    assert [each["status"] for each in put] == [200, 201, 200]
    assert [each["version"] for each in put] == [2, 1, 3]
    assert [put[0]["id"], put[2]["id"]] == [there["id"], gone["id"]]
    now = {each["id"]: each for each in await stored(client)}
    assert now[there["id"]]["sku"] == there["sku"].lower()
    assert now[gone["id"]]["name"] == "back"
    counted = [(each["reason"], each["change"]) for each in await movements(client, there)]
    assert counted == [("counted", 1), ("initial", 60)]

    again = [fresh, {**fresh, "sku": fresh["sku"].lower()}, product_body(price="x")]
    answer = await client.put(BULK, params=NON_ATOMIC, json={"items": again})
    assert told(answer) == [
        (200, None, []),
        (422, "repeated", ["/items/1/sku"]),
        (422, "invalid", ["/items/2/price"]),
    ]
    assert (await client.put(BULK, json={"items": again[:2]})).status_code == 422


async def test_deleting_hides_all_or_those_that_are_there(client: httpx2.AsyncClient) -> None:
    ids = [each["id"] for each in await make_products(client, 3)]
    answer = await client.post(DELETE, json={"items": [ids[0], UNKNOWN]})
    assert refused(answer) == (404, "product_not_found", [("/items/1", "product_not_found")])
    assert len(await stored(client)) == 3
    answer = await client.post(
        DELETE, params=NON_ATOMIC, json={"items": [ids[1], UNKNOWN, ids[1], 7]}
    )
    assert told(answer) == [
        (204, None, []),
        (404, "product_not_found", ["/items/1"]),
        (204, None, []),
        (422, "invalid", ["/items/3"]),
    ]
    answer = await client.post(DELETE, json={"items": [ids[2], ids[0]]})
    assert (answer.status_code, answer.content) == (204, b"")
    assert await stored(client) == []
    assert (await client.post(f"{PRODUCTS}/{ids[0]}/restore")).status_code == 200


@pytest.mark.parametrize("params", [{}, NON_ATOMIC])
async def test_a_thousand_take_as_many_statements_as_two(
    client: httpx2.AsyncClient, state: State, params: dict[str, str]
) -> None:
    shelf = await make_category(client)
    counts = []
    for many in (2, 1000):
        bodies = [product_body(category_id=shelf["id"], stock=n + 1) for n in range(many)]
        again = [{**body, "stock": 0} for body in bodies[: many // 2]]
        again += [product_body() for _ in range(many // 2)]
        with recorded_statements(state) as said:
            answer = await client.post(BULK, json={"items": bodies})
            ids = [each["id"] for each in answer.json()["items"]]
            put = await client.put(BULK, params=params, json={"items": again})
            patches = [
                {"id": key, "sku": f"N-{uuid4().hex}", "stock": 3, "category_id": shelf["id"]}
                for key in ids
            ]
            patched = await client.patch(BULK, params=params, json={"items": patches})
            removed = await client.post(DELETE, params=params, json={"items": ids})
        expected = [201, *[207] * 3] if params else [201, 200, 200, 204]
        assert [each.status_code for each in (answer, put, patched, removed)] == expected
        assert all(isinstance(parameters, tuple) for _, parameters in said), "none is sent often"
        counts.append(len(said))
    assert counts[0] == counts[1] <= 24, counts


async def rounds(state: State, works: Callable[[int], list[Any]], count: int = 5) -> None:
    """Runs what ``works`` gives for each round at once; some may find PostgreSQL busy."""
    with deadlocks(state) as seen:
        for number in range(count):
            answers = await asyncio.gather(*works(number))
            statuses = [answer.status_code for answer in answers]
            assert set(statuses) <= {200, 207, 503}
            assert statuses.count(503) < len(statuses)
    assert seen == []


async def test_bulks_that_overlap_wait_for_each_other_and_never_in_a_circle(
    client: httpx2.AsyncClient, state: State
) -> None:
    there = await make_products(client, 300)
    chance = random.Random(7)

    def shuffled(items: list[Any]) -> list[Any]:
        return chance.sample(items, len(items))

    def works(_number: int) -> list[Any]:
        patched = [{"id": each["id"], "stock": chance.randrange(9)} for each in there]
        put = [product_body(sku=each["sku"]) for each in there] + [product_body() for _ in "1234"]
        file = "\n".join(json.dumps(each) for each in shuffled(put))
        gone = [each["id"] for each in there[:4]]
        return [
            client.patch(BULK, params=NON_ATOMIC, json={"items": shuffled(patched)}),
            *[client.put(BULK, params=NON_ATOMIC, json={"items": shuffled(put)}) for _ in range(3)],
            client.post(DELETE, params=NON_ATOMIC, json={"items": gone}),
            client.post(f"{PRODUCTS}/import", content=file.encode(), headers=NDJSON),
        ]

    await rounds(state, works)
    async with state["sql"].engine.connect() as connection:
        wrong = await connection.scalar(
            text(
                "SELECT count(*) FROM products WHERE stock <> (SELECT coalesce(sum(change), 0)"
                " FROM stock_movements WHERE product_id = products.id)"
            )
        )
    assert wrong == 0, "every change of stock is a movement"


WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@asynccontextmanager
async def held_up(state: State, many: int, tasks: list[Any]) -> AsyncIterator[AsyncConnection]:
    """A transaction that has made N-50, once all of ``many`` tasks wait for it."""
    stop = text(
        "INSERT INTO products (id, sku, name, price, currency) VALUES (:id, 'N-50', 'x', 1, 'EUR')"
    )
    engine = state["sql"].engine
    async with engine.connect() as authenticator, engine.connect() as watch:
        await authenticator.execute(stop, {"id": uuid4()})
        tasks[:] = [asyncio.ensure_future(each) for each in tasks]
        watching = await watch.execution_options(isolation_level="AUTOCOMMIT")
        async with asyncio.timeout(30):
            while await watching.scalar(WAITING) != many:
                pass
        yield authenticator


async def test_a_sku_taken_at_the_same_moment_costs_its_item_alone(
    client: httpx2.AsyncClient, state: State
) -> None:
    one, two = await make_products(client, 2)
    items = [{"id": one["id"], "sku": "n-50"}, {"id": two["id"], "sku": "N-51", "stock": 1}]
    tasks = [client.patch(BULK, params=NON_ATOMIC, json={"items": items})]
    async with held_up(state, 1, tasks) as authenticator:
        await authenticator.commit()
    (answer,) = await asyncio.gather(*tasks)
    assert told(answer) == [(409, "sku_taken", ["/items/0/sku"]), (200, None, [])]
    assert len(await movements(client, two)) == 2


async def test_bulks_that_want_the_same_skus_wait_and_never_in_a_circle(
    client: httpx2.AsyncClient, state: State
) -> None:
    one, other = await make_products(client, 100), await make_products(client, 100)
    names = [f"N-{n}" for n in range(100)]

    def renamed(those: list[dict[str, Any]], names: list[str]) -> Any:
        pairs = zip(those, names, strict=True)
        items = [{"id": each["id"], "sku": name} for each, name in pairs]
        return client.patch(BULK, params=NON_ATOMIC, json={"items": items})

    made = [product_body(sku=name) for name in names]
    tasks = [
        renamed(one, names),
        renamed(other, names[::-1]),
        client.post(BULK, params=NON_ATOMIC, json={"items": made}),
        client.put(BULK, params=NON_ATOMIC, json={"items": made[::-1]}),
    ]
    with deadlocks(state) as seen:
        async with held_up(state, len(tasks), tasks) as authenticator:
            await authenticator.rollback()
        answers = await asyncio.gather(*tasks)
    assert seen == []
    assert {answer.status_code for answer in answers} == {207}
    owners = [item["id"] for item in await stored(client) if item["sku"] in names]
    assert len(owners) == 100


async def test_of_two_that_put_the_same_new_products_one_makes_each(
    client: httpx2.AsyncClient,
) -> None:
    bodies = [product_body() for _ in range(100)]
    orders = [bodies, bodies[::-1], bodies[50:] + bodies[:50]]
    answers = await asyncio.gather(*[client.put(BULK, json={"items": order}) for order in orders])
    assert [answer.status_code for answer in answers] == [200] * 3
    made = [
        item["id"] for answer in answers for item in answer.json()["items"] if item["status"] == 201
    ]
    assert len(made) == len(set(made)) == 100


async def test_a_bulk_takes_one_to_a_thousand(client: httpx2.AsyncClient) -> None:
    for method, address in (("POST", BULK), ("PATCH", BULK), ("PUT", BULK), ("POST", DELETE)):
        for items in ([], [UNKNOWN] * 1001):
            answer = await client.request(method, address, params=NON_ATOMIC, json={"items": items})
            assert (answer.status_code, refused(answer)[2][0][0]) == (422, "/items")
