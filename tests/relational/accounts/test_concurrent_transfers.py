"""Concurrent transfers: no deadlock, no lost amount."""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from operator import itemgetter
from typing import Any

import httpx2
from sqlalchemy import text

from service.main import State
from tests.relational.accounts.factories import (
    assert_ledger_balanced,
    balance_of,
    make_account,
    transfer_body,
)
from tests.relational.users.factories import send_all

LOCK = "SELECT id FROM accounts WHERE id = :id FOR UPDATE"
WAITS = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%accounts%'
)
"""


async def test_transfer_32_opposite_concurrent_never_deadlock(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    one, other = [await make_account(admin_client, balance="100.00") for _ in range(2)]
    bodies = []
    for n in range(1, 33):
        sender, receiver = (one, other) if n % 2 else (other, one)
        bodies.append({"json": transfer_body(sender, receiver, f"{n}.01")})
    answers = await asyncio.gather(*(send_until_decided(admin_client, body) for body in bodies))
    codes = Counter(code for answer in answers for code in answer)
    assert set(codes) <= {"booked", "busy", "locked", "overdrawn"}, "collision is a deadlock"
    booked = [
        Decimal(body["json"]["amount"]) * (1 if body["json"]["to_account_id"] == one["id"] else -1)
        for body, outcomes in zip(bodies, answers, strict=True)
        if outcomes[-1] == "booked"
    ]
    assert len(booked) > 16
    assert Decimal(await balance_of(admin_client, one)) == 100 + sum(booked)
    assert await assert_ledger_balanced(state) == 200


async def test_transfer_locks_accounts_in_order_of_ids(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    pair = [await make_account(admin_client, balance="5.00") for _ in range(2)]
    first, second = sorted(pair, key=itemgetter("id"))
    engine = state["sql"].engine
    for sender, receiver in ((first, second), (second, first)):
        async with engine.connect() as holding, engine.connect() as asking:
            await holding.execute(text(LOCK), {"id": first["id"]})
            body = transfer_body(sender, receiver, "1.00")
            waiting = asyncio.create_task(admin_client.post("/v1/transfers", json=body))
            while not waiting.done() and not await asking.scalar(text(WAITS)):
                await asking.rollback()  # ends the snapshot of pg_stat_activity
                await asyncio.sleep(0.01)
            # The transfer waits for the first lock, so it does not hold the second one.
            await asking.execute(text(f"{LOCK} NOWAIT"), {"id": second["id"]})
            await asking.rollback()
            await holding.rollback()
        assert (await waiting).status_code == 201


async def test_transfer_random_concurrent_keep_ledger_balanced(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    chance = random.Random(20261121)
    accounts = [await make_account(admin_client, balance="10.00") for _ in range(10)]
    bodies = [
        {"json": transfer_body(sender, receiver, f"{chance.randint(1, 900) / 100:.2f}")}
        for sender, receiver in (chance.sample(accounts, 2) for _ in range(80))
    ]
    answers = await send_all(admin_client, "POST", "/v1/transfers", *bodies)
    codes = Counter(answer.json().get("code", "booked") for answer in answers)
    assert set(codes) == {"booked", "overdrawn"}
    assert await assert_ledger_balanced(state) == 100
    balances = [Decimal(await balance_of(admin_client, account)) for account in accounts]
    assert sum(balances) == 100
    assert min(balances) >= 0


async def test_close_concurrent_with_transfer_keeps_balance_zero(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    sender = await make_account(admin_client, balance="10.00")
    for _ in range(5):
        closing = await make_account(admin_client)
        paid, closed = await asyncio.gather(
            admin_client.post("/v1/transfers", json=transfer_body(sender, closing, "1.00")),
            admin_client.delete(f"/v1/accounts/{closing['id']}"),
        )
        assert (paid.status_code, closed.status_code) in {(201, 409), (409, 204)}
    assert await assert_ledger_balanced(state) == 10


async def send_until_decided(client: httpx2.AsyncClient, body: dict[str, Any]) -> list[str]:
    """Repeat the request after each 503; return the codes of all attempts."""
    outcomes = []
    while True:
        answer = await client.post("/v1/transfers", **body)
        outcomes.append(answer.json().get("code", "booked"))
        if answer.status_code != 503:
            return outcomes
        await asyncio.sleep(0.1)
