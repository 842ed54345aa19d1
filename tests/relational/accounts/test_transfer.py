"""Transfers: exact amounts, made once, within the balance, by the owner."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import pytest

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
        ("100", "101.00"),
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
