"""Reversals of transfers: by the receiver, once."""

from collections import Counter

import httpx2

from service.main import State
from tests.relational.accounts.conftest import Member
from tests.relational.accounts.factories import (
    assert_ledger_balanced,
    balance_of,
    make_account,
    make_transfer,
)
from tests.relational.users.factories import send_all


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
