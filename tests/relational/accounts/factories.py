"""People with accounts for tests, and the ledger as the database holds it."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
from sqlalchemy import text

from service.main import State

# By currency: what the entries of all accounts come to, and whether each balance is their sum.
_LEDGER = """
SELECT sum(balance) AS balances,
       coalesce(sum(booked), 0) AS entries,
       bool_and(balance = coalesce(booked, 0)) AS agree
FROM accounts LEFT JOIN (
    SELECT account_id, sum(amount) AS booked FROM entries GROUP BY account_id
) AS summed ON account_id = accounts.id
"""


async def make_account(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """An account of the caller's, or of ``owner_id``; filled with ``balance`` out of thin air.

    The air is an account that may be overdrawn, so it takes an administrator.
    """
    balance = fields.pop("balance", None)
    body = {"name": "Savings", "currency": "EUR", **fields}
    response = await client.post("/v1/accounts", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    if balance is None:
        return made
    funding_account = await make_account(
        client, name="Air", currency=made["currency"], may_overdraw=True
    )
    await make_transfer(client, funding_account, made, balance)
    return {**made, "balance": balance}


def transfer_body(
    sender: dict[str, Any], receiver: dict[str, Any], amount: str | float
) -> dict[str, Any]:
    return {"from_account_id": sender["id"], "to_account_id": receiver["id"], "amount": amount}


async def make_transfer(
    client: httpx2.AsyncClient, sender: dict[str, Any], receiver: dict[str, Any], amount: str
) -> dict[str, Any]:
    body = transfer_body(sender, receiver, amount)
    response = await client.post("/v1/transfers", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    return made


async def balance_of(client: httpx2.AsyncClient, account: dict[str, Any]) -> str:
    balance: str = (await client.get(f"/v1/accounts/{account['id']}")).json()["balance"]
    return balance


async def assert_ledger_balanced(state: State) -> Decimal:
    """Each balance is the sum of its entries and all of them are 0; the sum of what is not debt."""
    async with state["sql"].engine.connect() as connection:
        ledger = (await connection.execute(text(_LEDGER))).one()
        assert ledger.agree
        assert (ledger.balances, ledger.entries) == (0, 0)
        owned = "SELECT sum(balance) FROM accounts WHERE balance > 0"
        total: Decimal = (await connection.execute(text(owned))).scalar_one()
        return total


def key() -> dict[str, str]:
    """An Idempotency-Key nobody used yet."""
    return {"Idempotency-Key": uuid4().hex}
