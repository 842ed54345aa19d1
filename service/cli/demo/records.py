"""Users, posts with tags, products, an order each, and items: found, restored, or created."""

from typing import Any

import httpx2

from service.cli.demo.client import find_or_create, send

USERS = (
    ("ada", "Ada Demo", "London"),
    ("grace", "Grace Demo", "New York"),
    ("jose", "José Demo", "Córdoba"),
    ("mary", "Mary Demo", "Ushuaia"),
)
POSTS = (
    ("First predictions of the model", "Rows in PostgreSQL, predictions in MongoDB.", "model"),
    ("The scale shows too much", "Body mass went up by 6 % over night.", "drift"),
    ("Labels arrive late", "A blood sample takes up to 20 hours.", "labels"),
    ("Three species on three islands", "Adelie, Chinstrap and Gentoo penguins.", "penguins"),
)
PRODUCTS = (
    ("DEMO-SCALE-10", "Penguin scale, 10 kg", "249.00"),
    ("DEMO-CALLIPER", "Penguin callipers", "39.50"),
    ("DEMO-BAND-100", "Penguin flipper bands, 100", "18.90"),
    ("DEMO-TAG-20", "Penguin radio tags, 20", "640.00"),
)
ITEMS = (
    ("Station Torgersen", {"site": {"island": "Torgersen", "nests": 47}}),
    ("Station Biscoe", {"site": {"island": "Biscoe", "nests": 163}}),
    ("Station Dream", {"site": {"island": "Dream", "nests": 123}}),
)


def create_records(client: httpx2.Client) -> dict[str, Any]:
    """Return an id of each kind; product and order are null if the credentials may not create them.

    Raises:
        DemoFailed: the service returned an error.
    """
    users = [_user(client, *user) for user in USERS]
    posts = [_post(client, user_id, *post) for user_id, post in zip(users, POSTS, strict=True)]
    items = [_item(client, *item) for item in ITEMS]
    products = _products(client)
    orders = [_order(client, user_id, products) for user_id in users] if products else [None]
    first = products[0] if products else None
    return {
        "user": users[0], "post": posts[0], "item": items[0], "product": first, "order": orders[0],
    }  # fmt: skip


def _user(client: httpx2.Client, name: str, full_name: str, city: str) -> str:
    username = f"demo-{name}"
    body = {"username": username, "email": f"{username}@example.com", "name": full_name}
    return find_or_create(client, "/v1/users", "username", {**body, "city": city}, q=username)


def _post(client: httpx2.Client, user_id: str, title: str, content: str, tag: str) -> str:
    body: dict[str, Any] = {"author_id": user_id, "title": title, "content": content}
    body |= {"published": True, "tags": ["demo", tag]}
    return find_or_create(client, "/v1/posts", "title", body, restorable=False, author_id=user_id)


def _item(client: httpx2.Client, name: str, attributes: dict[str, Any]) -> str:
    body = {"name": name, "type": "station", "attributes": attributes, "tags": ["demo"]}
    return find_or_create(client, "/v1/items", "name", body, type="station", tag="demo")


def _products(client: httpx2.Client) -> list[str]:
    """Return the ids of the products; none if the credentials lack the scope, as old demo keys."""
    if client.get("/v1/orders", params={"limit": 1}).status_code == 403:
        return []
    return [
        find_or_create(
            client,
            "/v1/products",
            "sku",
            {"sku": sku, "name": name, "price": price, "currency": "EUR", "stock": 60},
            q="penguin",
        )
        for sku, name, price in PRODUCTS
    ]


def _order(client: httpx2.Client, user_id: str, products: list[str]) -> str:
    """Return the id of an order of the user; place one of two products if there is none."""
    found = send(client, "GET", "/v1/orders", params={"user_id": user_id, "limit": 1})["items"]
    if found:
        return str(found[0]["id"])
    lines = [{"product_id": product_id, "quantity": 2} for product_id in products[:2]]
    headers = {"Idempotency-Key": f"demo order {user_id}"}
    body = {"user_id": user_id, "lines": lines}
    return str(send(client, "POST", "/v1/orders", json=body, headers=headers)["id"])
