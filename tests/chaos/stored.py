"""Reads what both stores hold in the end, without the service."""

from collections.abc import Callable, Sequence
from typing import Any

from bson.codec_options import CodecOptions, UuidRepresentation  # type: ignore[attr-defined]

from tests.chaos.system import System
from tests.chaos.writers import MODEL

Rows = Sequence[tuple[str, str]]
CODEC: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, uuid_representation=UuidRepresentation.STANDARD
)
# Each yields a marker and the content of a record; see writers.py.
TABLES = {
    "users": "SELECT username, email FROM users WHERE username LIKE 'u-%'",
    "posts": "SELECT title, content FROM posts",
    "comments": "SELECT content, '' FROM comments",
    "orders": "SELECT o.user_id || ' ' || l.quantity, l.product_id::text FROM orders o"
    " JOIN order_lines l ON l.order_id = o.id JOIN users u ON u.id = o.user_id"
    " WHERE u.username LIKE 'buyer-%'",
    "cancellations": "SELECT id::text, state FROM orders WHERE state = 'cancelled'",
    "transfers": "SELECT description, from_account_id || ' ' || to_account_id || ' ' || amount"
    " FROM transfers WHERE description LIKE 'transfer-%'",
    "projects": "SELECT name, description FROM projects",
    "products": "SELECT sku, name FROM products WHERE sku LIKE 'sku-%'",
    "movements": "SELECT note, change::text FROM stock_movements WHERE note LIKE 'stock-%'",
    "profiles": "SELECT id::text, bio FROM users WHERE bio IS NOT NULL",
}
# Collection, filter, and how a document becomes markers and contents.
COLLECTIONS: dict[str, tuple[str, dict[str, Any], Callable[[dict[str, Any]], Rows]]] = {
    "items": (
        "items",
        {"attributes.text": {"$exists": True}},
        lambda item: [(item["name"], item["attributes"]["text"])],
    ),
    "revisions": (
        "items",
        {"attributes.revision": {"$exists": True}},
        lambda item: [(str(item["_id"]), item["attributes"]["revision"])],
    ),
    "predictions": (
        "predictions",
        {"model": MODEL},
        lambda event: [(str(event["_id"]), str(event["features"]["n"]))],
    ),
    "labels": (
        "feedback",
        {},
        lambda one: [(str(one["_id"]), str(label["label"])) for label in one["history"]],
    ),
}
# A newer content replaces an older one, so these are numbers that only grow.
REVISED = {"profiles", "revisions"}
LEDGER = {
    "accounts that differ from their entries": "SELECT count(*) FROM accounts a WHERE balance <>"
    " coalesce((SELECT sum(amount) FROM entries WHERE account_id = a.id), 0)",
    "accounts that differ from their transfers": "SELECT count(*) FROM accounts a WHERE balance <>"
    " coalesce((SELECT sum(amount) FROM transfers WHERE to_account_id = a.id), 0)"
    " - coalesce((SELECT sum(amount) FROM transfers WHERE from_account_id = a.id), 0)",
    "transfers without two entries of sum 0": "SELECT count(*) FROM transfers t WHERE (SELECT"
    " (count(*), sum(amount)) FROM entries WHERE transfer_id = t.id) <> (2::bigint, 0::numeric)",
    "money that came from nowhere": "SELECT abs(coalesce(sum(balance), 0)) FROM accounts",
}
STOCK = {
    "products that differ from their movements": "SELECT count(*) FROM products p WHERE stock <>"
    " coalesce((SELECT sum(change) FROM stock_movements WHERE product_id = p.id), 0)",
    "products that differ from their orders": "SELECT count(*) FROM products p WHERE stock <>"
    " coalesce((SELECT sum(change) FROM stock_movements WHERE product_id = p.id"
    " AND order_id IS NULL), 0) - coalesce((SELECT sum(quantity) FROM order_lines l JOIN orders o"
    " ON o.id = l.order_id WHERE l.product_id = p.id AND o.state <> 'cancelled'), 0)",
    "products with a stock below 0": "SELECT count(*) FROM products WHERE stock < 0",
}


async def read_stored(system: System) -> dict[str, Rows]:
    """Return the markers and contents that are stored, by kind."""
    connection = await system.connect()
    try:
        stored: dict[str, Rows] = {
            kind: [(row[0], row[1]) for row in await connection.fetch(query)]
            for kind, query in TABLES.items()
        }
    finally:
        await connection.close()
    with system.mongo.direct() as client:
        database = client.get_database("polystore", CODEC)
        for kind, (name, query, rows_of) in COLLECTIONS.items():
            stored[kind] = [
                row for document in database[name].find(query) for row in rows_of(document)
            ]
    return stored


async def count_faulty_sums(system: System) -> dict[str, dict[str, float]]:
    """Return how much of the ledger and of the stock does not add up, by promise and kind."""
    connection = await system.connect()
    try:
        return {
            promise: {what: float(await connection.fetchval(query)) for what, query in sums.items()}
            for promise, sums in (("ledger", LEDGER), ("stock", STOCK))
        }
    finally:
        await connection.close()
