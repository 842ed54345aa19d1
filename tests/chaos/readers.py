"""Clients that read: what was acknowledged must be there, and every kind of list must answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.chaos.client import Call
from tests.chaos.load import Load
from tests.chaos.writers import MODEL, MONGO, SQL

REPORT_SECONDS, LOGIN_PAUSE_SECONDS = 4.0, 2.0
LISTS = (
    Call(SQL, "GET", "/v1/users?limit=20"),
    Call(SQL, "GET", "/v1/posts?limit=20&expand=author,tags"),
    Call(SQL, "GET", "/v1/orders?limit=20"),
    Call(SQL, "GET", "/v1/transfers?limit=20"),
    Call(SQL, "GET", "/v1/projects?limit=20"),
    Call(SQL, "GET", "/v1/products?limit=20&q=sku"),
    Call(SQL, "GET", "/v1/audit_events?limit=20"),
    Call(SQL, "GET", "/v1/reports/sales", longest_seconds=REPORT_SECONDS),
    Call(SQL, "GET", "/v1/reports/user_growth", longest_seconds=REPORT_SECONDS),
    Call(SQL, "GET", "/v1/me"),
    Call(MONGO, "GET", "/v1/items?limit=20"),
    Call(MONGO, "GET", f"/v1/predictions?model={MODEL}&limit=20"),
    Call(MONGO, "GET", "/v1/item_types"),
    Call(MONGO, "POST", "/v1/items/search", {"where": {"field": "name", "op": "eq", "value": "x"}}),
)


async def acknowledged(load: Load) -> None:
    """Read something that was acknowledged a moment ago."""
    if load.addresses:
        await load.send(load.chance.choice(load.addresses))


async def lists(load: Load) -> None:
    await load.send(load.chance.choice(LISTS))


async def logins(load: Load) -> None:
    """Log in with a password, which is hashed."""
    form = "grant_type=password&username={username}&password={password}".format(
        **load.setup["credentials"]
    )
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    await load.send(Call(SQL, "POST", "/v1/auth/token", form.encode(), headers))
    await asyncio.sleep(LOGIN_PAUSE_SECONDS)


class Reader(NamedTuple):
    """One kind of client, and how many there are."""

    read: Callable[[Load], Awaitable[None]]
    clients: int = 1


READERS = (Reader(acknowledged, 3), Reader(lists, 2), Reader(logins))
