"""Clients that write: each function makes one write of its feature and logs its records."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.chaos.client import Call
from tests.chaos.load import Load
from tests.chaos.records import Record
from tests.documents.predictions.factories import NDJSON, as_lines, make_event

SQL, MONGO = "postgresql", "mongodb"
MODEL, BATCH, LABELLED = "chaos", 10, "2026-01-06T08:00:00Z"
STREAM_SECONDS = 4.0  # authentication and the store have a deadline of their own


async def users(load: Load) -> None:
    name = load.name("u")
    body = {"username": name, "email": f"{name}@example.com"}
    made = await load.write(
        Call(SQL, "POST", "/v1/users", body), [Record("users", name, body["email"])]
    )
    if made.ok:
        load.remember(SQL, f"/v1/users/{made.json()['id']}")


async def posts(load: Load) -> None:
    title = load.name("post")
    body = {"title": title, "content": f"on {title}", "tags": ["chaos", title[-2:]]}
    repeat = load.chance.random() < 0.8
    made = await load.write(
        Call(SQL, "POST", "/v1/posts", body),
        [Record("posts", title, body["content"])],  # type: ignore[arg-type] # it is text
        repeat=repeat,
    )
    if made.ok:
        path = f"/v1/posts/{made.json()['id']}"
        load.remember(SQL, path)
        text = load.name("comment")
        await load.write(
            Call(SQL, "POST", f"{path}/comments", {"content": text}),
            [Record("comments", text, "")],
        )


async def orders(load: Load) -> None:
    """Order a quantity that the buyer has not ordered before; cancel one of four."""
    buyer = load.chance.choice(load.setup["buyers"])
    buyer["quantity"] += 1
    product, quantity = load.chance.choice(load.setup["products"]), buyer["quantity"]
    body = {"user_id": buyer["id"], "lines": [{"product_id": product, "quantity": quantity}]}
    record = Record("orders", f"{buyer['id']} {quantity}", product)
    made = await load.write(Call(SQL, "POST", "/v1/orders", body), [record])
    if made.ok:
        path = f"/v1/orders/{made.json()['id']}"
        load.remember(SQL, path)
        if load.chance.random() < 0.25:
            await load.write(
                Call(SQL, "POST", f"{path}/cancel"),
                [Record("cancellations", made.json()["id"], "cancelled")],
            )


async def transfers(load: Load) -> None:
    sender, receiver = load.chance.sample(load.setup["accounts"], 2)
    amount, name = f"{load.chance.randint(1, 500) / 100:.2f}", load.name("transfer")
    body = {
        "from_account_id": sender,
        "to_account_id": receiver,
        "amount": amount,
        "description": name,
    }
    await load.write(
        Call(SQL, "POST", "/v1/transfers", body, refusals=frozenset({"overdrawn"})),
        [Record("transfers", name, f"{sender} {receiver} {amount}")],
    )


async def projects(load: Load) -> None:
    name = load.name("project")
    body = {"name": name, "description": f"of {name}"}
    made = await load.write(
        Call(SQL, "POST", "/v1/projects", body), [Record("projects", name, body["description"])]
    )
    if made.ok:
        load.remember(SQL, f"/v1/projects/{made.json()['id']}")


async def imports(load: Load) -> None:
    """Import products from a file; a repeated file changes nothing."""
    skus = [load.name("sku") for _ in range(BATCH)]
    rows = [{"sku": sku, "name": f"of {sku}", "price": "1.00", "currency": "EUR"} for sku in skus]
    call = Call(
        SQL, "POST", "/v1/products/import", as_lines(rows), NDJSON, longest_seconds=STREAM_SECONDS
    )
    await _whole_stream(load, call, [Record("products", sku, f"of {sku}") for sku in skus])


async def stock(load: Load) -> None:
    note, change = load.name("stock"), load.chance.randint(1, 9)
    product = load.chance.choice(load.setup["products"])
    await load.write(
        Call(
            SQL,
            "POST",
            f"/v1/products/{product}/stock_adjustments",
            {"change": change, "reason": "received", "note": note},
        ),
        [Record("movements", note, str(change))],
    )


async def profiles(load: Load) -> None:
    """Change the same user again and again; the newest change must not get lost."""
    person = load.setup["profile"]
    person["revision"] += 1
    revision = str(person["revision"])
    await load.write(
        Call(SQL, "PATCH", f"/v1/users/{person['id']}", {"bio": revision}),
        [Record("profiles", person["id"], revision)],
    )


async def items(load: Load) -> None:
    name, repeat = load.name("item"), load.chance.random() < 0.8
    body = {"name": name, "attributes": {"text": f"of {name}"}, "tags": ["chaos"]}
    made = await load.write(
        Call(MONGO, "POST", "/v1/items", body),
        [Record("items", name, f"of {name}")],
        repeat=repeat,
    )
    if made.ok:
        load.remember(MONGO, f"/v1/items/{made.json()['id']}")


async def revisions(load: Load) -> None:
    """Change the same item again and again."""
    item = load.setup["item"]
    item["revision"] += 1
    revision = str(item["revision"])
    await load.write(
        Call(MONGO, "PATCH", f"/v1/items/{item['id']}", {"attributes": {"revision": revision}}),
        [Record("revisions", item["id"], revision)],
    )


def _event(load: Load) -> tuple[dict[str, Any], Record]:
    key, number = load.id(), load.chance.randint(0, 1_000_000)
    event = make_event(prediction_id=key, model=MODEL, features={"n": number})
    return event, Record("predictions", key, str(number))


async def predictions(load: Load) -> None:
    event, record = _event(load)
    made = await load.write(Call(MONGO, "POST", "/v1/predictions", event), [record])
    if made.ok:
        load.remember(MONGO, f"/v1/predictions/{record.marker}")
        load.events.append(record.marker)


async def batches(load: Load) -> None:
    made = [_event(load) for _ in range(BATCH)]
    body = {"items": [event for event, _ in made]}
    await load.write(
        Call(MONGO, "POST", "/v1/predictions/batch", body), [record for _, record in made]
    )


async def streams(load: Load) -> None:
    made = [_event(load) for _ in range(BATCH)]
    body = as_lines([event for event, _ in made])
    call = Call(
        MONGO, "POST", "/v1/predictions/stream", body, NDJSON, longest_seconds=STREAM_SECONDS
    )
    await _whole_stream(load, call, [record for _, record in made])


async def labels(load: Load) -> None:
    """Label a stored prediction, or one that never comes."""
    key = load.events.popleft() if load.events and load.chance.random() < 0.7 else load.id()
    value = load.chance.randint(0, 9)
    body = {"label": value, "observed_at": LABELLED, "source": "chaos"}
    await load.write(
        Call(MONGO, "PUT", f"/v1/predictions/{key}/feedback", body),
        [Record("labels", key, str(value))],
    )


async def label_batches(load: Load) -> None:
    made = [(load.id(), load.chance.randint(0, 9)) for _ in range(BATCH)]
    body = {
        "items": [
            {"prediction_id": key, "label": value, "observed_at": LABELLED, "source": "chaos"}
            for key, value in made
        ]
    }
    await load.write(
        Call(MONGO, "POST", "/v1/labels/batch", body),
        [Record("labels", key, str(value)) for key, value in made],
    )


async def _whole_stream(load: Load, call: Call, records: list[Record]) -> None:
    """Send a stream until its last line reports that all is durable."""
    load.log.send(records)
    while True:
        answer = await load.send(call)
        if answer.ok:
            last = json.loads(answer.text.splitlines()[-1])
            if last["committed_through"] == len(records) and not last.get("errors"):
                load.log.acknowledge(records)
                return
            if "code" not in last:
                load.client.broken.add("response", f"{call.path}: {last}")
                return


class Writer(NamedTuple):
    """One kind of client, and how many there are."""

    write: Callable[[Load], Awaitable[None]]
    clients: int = 1


WRITERS = (
    Writer(users),
    Writer(posts),
    Writer(orders, 2),
    Writer(transfers, 2),
    Writer(projects),
    Writer(imports),
    Writer(stock),
    Writer(profiles),
    Writer(items, 2),
    Writer(revisions),
    Writer(predictions, 4),
    Writer(batches),
    Writer(streams),
    Writer(labels),
    Writer(label_batches),
)
