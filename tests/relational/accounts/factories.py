"""Accounts and transfers for tests, and the sums of the ledger."""

from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
from sqlalchemy import text

from service.main import State

# The sums of all balances and of all entries, and whether each balance is the sum of its entries.
_LEDGER = """
SELECT sum(balance) AS balances,
       coalesce(sum(booked), 0) AS entries,
       bool_and(balance = coalesce(booked, 0)) AS agree
FROM accounts LEFT JOIN (
    SELECT account_id, sum(amount) AS booked FROM entries GROUP BY account_id
) AS summed ON account_id = accounts.id
"""


async def make_account(client: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Create an account of the caller or of ``owner_id``, with a balance of ``balance``.

    The balance comes from an account that may be overdrawn, so it requires an administrator.
    """
    balance = fields.pop("balance", None)
    body = {"name": "Savings", "currency": "EUR", **fields}
    response = await client.post("/v1/accounts", json=body)
    assert response.status_code == 201, response.text
    made: dict[str, Any] = response.json()
    if balance is None:
        return made
    funding_account = await make_account(
        client, name="Funding", currency=made["currency"], may_overdraw=True
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
    """Check the sums of the ledger; return the sum of the positive balances."""
    async with state["sql"].engine.connect() as connection:
        ledger = (await connection.execute(text(_LEDGER))).one()
        assert ledger.agree
        assert (ledger.balances, ledger.entries) == (0, 0)
        owned = "SELECT sum(balance) FROM accounts WHERE balance > 0"
        total: Decimal = (await connection.execute(text(owned))).scalar_one()
        return total


def key() -> dict[str, str]:
    """Return a header with a new Idempotency-Key."""
    return {"Idempotency-Key": uuid4().hex}
