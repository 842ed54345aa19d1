"""Transfers: exact amounts, made once, within the balance, by the owner."""

import asyncio
import random
from collections import Counter
from decimal import Decimal
from operator import itemgetter
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from tests.relational.accounts.conftest import Member
from tests.relational.accounts.factories import (
    assert_ledger_balanced,
    balance_of,
    key,
    make_account,
    make_transfer,
    transfer_body,
)
from tests.relational.users.factories import iterate_pages, send_all

MOST = "999999999999.99"
LOCK = "SELECT id FROM accounts WHERE id = :id FOR UPDATE"
WAITS = """
SELECT EXISTS (
    SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%accounts%'
)
"""


async def test_transfer_debits_sender_and_credits_receiver(
    admin_client: httpx2.AsyncClient,
) -> None:
    sender, receiver = (
        await make_account(admin_client, balance="20.00"),
        await make_account(admin_client),
    )
    body = {**transfer_body(sender, receiver, "12.50"), "description": "Lunch"}
    answer = await admin_client.post("/v1/transfers", json=body)
    made = answer.json()
    assert answer.status_code == 201
    assert {name: made[name] for name in body} == body
    assert (made["currency"], made["reverses_id"], made["reversed_by_id"]) == ("EUR", None, None)
    read = await admin_client.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, answer.headers["etag"])
    assert [await balance_of(admin_client, account) for account in (sender, receiver)] == [
        "7.50",
        "12.50",
    ]
    entries = (await admin_client.get(f"/v1/accounts/{receiver['id']}/entries")).json()["items"]
    assert [(entry["transfer_id"], entry["amount"]) for entry in entries] == [(made["id"], "12.50")]
    assert entries[0]["created_at"] == made["created_at"]


async def test_transfer_sums_are_exact(admin_client: httpx2.AsyncClient, state: State) -> None:
    sender, receiver = (
        await make_account(admin_client, balance=MOST),
        await make_account(admin_client),
    )
    for amount, balance in (
        ("0.1", "0.10"),
        ("0.2", "0.30"),
        (0.7, "1.00"),
        ("1e2", "101.00"),
        ("999999999898.99", MOST),
    ):
        body = transfer_body(sender, receiver, amount)
        answer = await admin_client.post("/v1/transfers", json=body)
        assert answer.status_code == 201, answer.text
        assert await balance_of(admin_client, receiver) == balance
    assert await balance_of(admin_client, sender) == "0.00"
    assert await assert_ledger_balanced(state) == Decimal(MOST)


@pytest.mark.parametrize(
    "amount", ["0", "0.00", "-1.00", "0.001", "1000000000000.00", "NaN", "Infinity", "x", None]
)
async def test_transfer_invalid_amount_is_refused(
    admin_client: httpx2.AsyncClient, amount: Any
) -> None:
    sender, receiver = (
        await make_account(admin_client, balance="5.00"),
        await make_account(admin_client),
    )
    answer = await admin_client.post("/v1/transfers", json=transfer_body(sender, receiver, amount))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/amount")
    assert await balance_of(admin_client, sender) == "5.00"


async def test_transfer_over_balance_is_refused(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    sender, receiver = (
        await make_account(admin_client, balance="5.00"),
        await make_account(admin_client),
    )
    answer = await admin_client.post("/v1/transfers", json=transfer_body(sender, receiver, "5.01"))
    assert (answer.status_code, answer.json()["code"]) == (409, "overdrawn")
    assert answer.json()["errors"][0]["pointer"] == "/amount"
    assert (await admin_client.get("/v1/transfers", params={"account_id": receiver["id"]})).json()[
        "items"
    ] == []
    await make_transfer(admin_client, sender, receiver, "5.00")
    assert [await balance_of(admin_client, account) for account in (sender, receiver)] == [
        "0.00",
        "5.00",
    ]
    assert await assert_ledger_balanced(state) == 5


async def test_transfer_invalid_account_is_refused_with_pointer(
    admin_client: httpx2.AsyncClient, ada: Member, state: State
) -> None:
    mine = await make_account(admin_client, owner_id=ada.id, balance="5.00")
    theirs = await make_account(admin_client, balance="5.00")
    dollars, closed = (
        await make_account(admin_client, currency="USD"),
        await make_account(admin_client),
    )
    assert (await admin_client.delete(f"/v1/accounts/{closed['id']}")).status_code == 204
    unknown = {"id": str(uuid4())}
    for client, sender, receiver, status, code, pointers in (
        (ada.client, mine, mine, 422, "same_account", ["/to_account_id"]),
        (ada.client, mine, dollars, 409, "currencies_differ", ["/to_account_id"]),
        (ada.client, mine, closed, 409, "account_closed", ["/to_account_id"]),
        (ada.client, mine, unknown, 409, "account_unknown", ["/to_account_id"]),
        (ada.client, unknown, mine, 409, "account_unknown", ["/from_account_id"]),
        (ada.client, theirs, mine, 409, "account_unknown", ["/from_account_id"]),
        (admin_client, closed, mine, 409, "account_closed", ["/from_account_id"]),
    ):
        answer = await client.post("/v1/transfers", json=transfer_body(sender, receiver, "1.00"))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert await assert_ledger_balanced(state) == 10
    assert await balance_of(ada.client, mine) == "5.00"


async def test_transfer_repeated_with_key_is_made_once(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    sender, receiver = (
        await make_account(admin_client, balance="5.00"),
        await make_account(admin_client),
    )
    body = transfer_body(sender, receiver, "2.00")
    same = key()
    answers = [await admin_client.post("/v1/transfers", json=body, headers=same) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert "idempotency-replayed" not in answers[0].headers
    assert answers[1].headers["idempotency-replayed"] == "true"
    other = await admin_client.post("/v1/transfers", json={**body, "amount": "3.00"}, headers=same)
    assert other.status_code == 422
    at_once = {"json": body, "headers": key()}
    answers = await send_all(admin_client, "POST", "/v1/transfers", *[at_once] * 8)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "idempotency_in_progress"
    }
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert await balance_of(admin_client, receiver) == "4.00"


async def test_reversal_is_made_by_receiver(
    admin_client: httpx2.AsyncClient, ada: Member, grace: Member, state: State
) -> None:
    mine = await make_account(admin_client, owner_id=ada.id, balance="5.00")
    hers = await make_account(admin_client, owner_id=grace.id)
    made = await make_transfer(ada.client, mine, hers, "2.00")
    address = f"/v1/transfers/{made['id']}"
    refused = await ada.client.post(f"{address}/reverse")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    etag = (await ada.client.get(address)).headers["etag"]
    answer = await grace.client.post(f"{address}/reverse")
    assert answer.status_code == 200
    back = answer.json()
    ends = (back["from_account_id"], back["to_account_id"])
    assert (ends, back["amount"]) == ((hers["id"], mine["id"]), "2.00")
    assert (back["reverses_id"], back["created_by"]) == (made["id"], grace.id)
    reread = await ada.client.get(address, headers={"If-None-Match": etag})
    assert (reread.status_code, reread.json()["reversed_by_id"]) == (200, back["id"])
    assert await balance_of(ada.client, mine) == "5.00"
    for transfer_id, code in ((made["id"], "already_reversed"), (back["id"], "is_reversal")):
        again = await admin_client.post(f"/v1/transfers/{transfer_id}/reverse")
        assert (again.status_code, again.json()["code"]) == (409, code)
    assert await assert_ledger_balanced(state) == 5


async def test_reversal_spent_or_closed_is_refused(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    sender, receiver = (
        await make_account(admin_client, balance="5.00"),
        await make_account(admin_client),
    )
    made = await make_transfer(admin_client, sender, receiver, "5.00")
    await make_transfer(admin_client, receiver, await make_account(admin_client), "0.01")
    spent = await admin_client.post(f"/v1/transfers/{made['id']}/reverse")
    assert (spent.status_code, spent.json()["code"]) == (409, "overdrawn")
    assert (await admin_client.delete(f"/v1/accounts/{sender['id']}")).status_code == 204
    closed = await admin_client.post(f"/v1/transfers/{made['id']}/reverse")
    assert (closed.status_code, closed.json()["code"]) == (409, "account_closed")
    assert await assert_ledger_balanced(state) == 5


async def test_reversal_16_concurrent_one_succeeds(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    sender = await make_account(admin_client, balance="100.00")
    receiver = await make_account(admin_client, balance="100.00")
    made = await make_transfer(admin_client, sender, receiver, "5.00")
    answers = await send_all(
        admin_client, "POST", f"/v1/transfers/{made['id']}/reverse", *[{}] * 16
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 15}
    assert {answer.json().get("code") for answer in answers} == {None, "already_reversed"}
    assert [await balance_of(admin_client, account) for account in (sender, receiver)] == [
        "100.00",
        "100.00",
    ]


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
    accounts = [await make_account(admin_client, balance="10.00") for _ in range(20)]
    bodies = [
        {"json": transfer_body(sender, receiver, f"{chance.randint(1, 900) / 100:.2f}")}
        for sender, receiver in (chance.sample(accounts, 2) for _ in range(200))
    ]
    answers = await send_all(admin_client, "POST", "/v1/transfers", *bodies)
    codes = Counter(answer.json().get("code", "booked") for answer in answers)
    assert set(codes) == {"booked", "overdrawn"}
    assert await assert_ledger_balanced(state) == 200
    balances = [Decimal(await balance_of(admin_client, account)) for account in accounts]
    assert sum(balances) == 200
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


async def test_transfer_is_visible_to_sender_and_receiver_only(
    admin_client: httpx2.AsyncClient, ada: Member, grace: Member
) -> None:
    funding_account = await make_account(admin_client, may_overdraw=True)
    mine = [await make_account(ada.client) for _ in range(2)]
    hers = await make_account(grace.client)
    funding = await make_transfer(admin_client, funding_account, mine[0], "9.00")
    moved = await make_transfer(ada.client, mine[0], mine[1], "5.00")
    sent = await make_transfer(ada.client, mine[1], hers, "2.00")
    back = await make_transfer(grace.client, hers, mine[0], "1.00")
    hidden = await make_transfer(admin_client, funding_account, hers, "3.00")

    async def list_ids(client: httpx2.AsyncClient, **params: Any) -> list[str]:
        pages = await iterate_pages(
            client, "/v1/transfers", {"limit": 2, "sort": "created_at", **params}
        )
        return [transfer["id"] for page in pages for transfer in page]

    everything = [item["id"] for item in (funding, moved, sent, back, hidden)]
    assert await list_ids(admin_client) == everything
    assert await list_ids(ada.client) == everything[:4], (
        "a transfer between own accounts is listed once"
    )
    assert await list_ids(grace.client) == everything[2:]
    assert await list_ids(ada.client, account_id=mine[1]["id"]) == everything[1:3]
    assert await list_ids(ada.client, account_id=hers["id"]) == everything[2:4]
    assert await list_ids(admin_client, account_id=hers["id"]) == everything[2:]
    assert await list_ids(ada.client, account_id=funding_account["id"]) == everything[:1]
    total = await ada.client.get("/v1/transfers", params={"count": "exact", "sort": "-created_at"})
    assert [item["id"] for item in total.json()["items"]] == everything[3::-1]
    assert total.json()["total"] == 4
    for address in (f"/v1/transfers/{hidden['id']}", f"/v1/transfers/{uuid4()}"):
        answers = [await ada.client.get(address), await ada.client.post(f"{address}/reverse")]
        assert [answer.json()["code"] for answer in answers] == ["transfer_not_found"] * 2


async def send_until_decided(client: httpx2.AsyncClient, body: dict[str, Any]) -> list[str]:
    """Repeat the request after each 503; return the codes of all attempts."""
    outcomes = []
    while True:
        answer = await client.post("/v1/transfers", **body)
        outcomes.append(answer.json().get("code", "booked"))
        if answer.status_code != 503:
            return outcomes
        await asyncio.sleep(0.1)
