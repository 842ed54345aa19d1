"""Routes of accounts and their entries: success and errors."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest

from service.main import State
from tests.relational.accounts.conftest import Member
from tests.relational.accounts.factories import balance_of, make_account, make_transfer
from tests.relational.users.factories import iterate_pages
from tests.relational.users.statements import recorded_statements


async def test_account_is_created_empty_read_and_renamed(ada: Member) -> None:
    response = await ada.client.post("/v1/accounts", json={"name": "Savings", "currency": "EUR"})
    made = response.json()
    assert (response.status_code, made["version"]) == (201, 1)
    assert (made["balance"], made["owner_id"], made["closed_at"]) == ("0.00", ada.id, None)
    address = response.headers["location"]
    read = await ada.client.get(address)
    assert (read.json(), read.headers["etag"]) == (made, response.headers["etag"])
    renamed = await ada.client.patch(address, json={"name": "Holidays"})
    assert (renamed.status_code, renamed.json()["name"]) == (200, "Holidays")
    assert (renamed.json()["version"], renamed.json()["currency"]) == (2, "EUR")


async def test_balance_changes_etag_but_allows_change(
    admin_client: httpx2.AsyncClient,
) -> None:
    account = await make_account(admin_client)
    address = f"/v1/accounts/{account['id']}"
    etag = (await admin_client.get(address)).headers["etag"]
    assert (await admin_client.get(address, headers={"If-None-Match": etag})).status_code == 304
    other = await make_account(admin_client, balance="5.00")
    await make_transfer(admin_client, other, account, "5.00")
    assert (await admin_client.get(address, headers={"If-None-Match": etag})).status_code == 200
    if_match = {"If-Match": etag}
    assert (
        await admin_client.patch(address, json={"name": "a"}, headers=if_match)
    ).status_code == 200
    for method, body in (("PATCH", {"name": "b"}), ("DELETE", None)):
        again = await admin_client.request(method, address, json=body, headers=if_match)
        assert (again.status_code, again.json()["code"]) == (412, "precondition_failed")
    assert (await admin_client.get(address)).json()["name"] == "a"


@pytest.mark.parametrize("currency", ["eur", "EURO", "EU", "EUR\n", "E1R", "ÄÖÜ", "", None, 5])
async def test_create_invalid_currency_is_refused(ada: Member, currency: Any) -> None:
    answer = await ada.client.post("/v1/accounts", json={"name": "x", "currency": currency})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/currency")


@pytest.mark.parametrize("field", ["balance", "currency", "owner_id", "may_overdraw", "closed_at"])
async def test_patch_changes_name_only(ada: Member, field: str) -> None:
    made = await make_account(ada.client)
    answer = await ada.client.patch(f"/v1/accounts/{made['id']}", json={field: made[field]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}")


async def test_create_member_sets_no_owner_or_overdraft(
    ada: Member, grace: Member, admin_client: httpx2.AsyncClient
) -> None:
    for field, value in (("owner_id", grace.id), ("may_overdraw", True)):
        body = {"name": "x", "currency": "EUR", field: value}
        refused = await ada.client.post("/v1/accounts", json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "missing_scope")
        assert refused.json()["errors"][0]["pointer"] == f"/{field}"
        assert (await admin_client.post("/v1/accounts", json=body)).json()[field] == value
    unknown_owner = {"name": "x", "currency": "EUR", "owner_id": str(uuid4())}
    answer = await admin_client.post("/v1/accounts", json=unknown_owner)
    assert (answer.status_code, answer.json()["code"]) == (409, "owner_unknown")


async def test_account_of_another_user_is_not_found(
    ada: Member, grace: Member, admin_client: httpx2.AsyncClient
) -> None:
    theirs = await make_account(admin_client, owner_id=grace.id, balance="5.00")
    mine = await make_account(ada.client)
    for owned in (theirs["id"], str(uuid4())):
        for method, end in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/entries")):
            body = {"name": "x"} if method == "PATCH" else None
            answer = await ada.client.request(method, f"/v1/accounts/{owned}{end}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    for params in ({}, {"owner_id": grace.id}):
        answer = await ada.client.get("/v1/accounts", params={"count": "exact", **params})
        ids = [] if params else [mine["id"]]
        assert [account["id"] for account in answer.json()["items"]] == ids
        assert answer.json()["total"] == len(ids)
    listed = await admin_client.get("/v1/accounts", params={"owner_id": grace.id})
    assert [account["id"] for account in listed.json()["items"]] == [theirs["id"]]


async def test_close_requires_zero_balance_and_keeps_entries(
    admin_client: httpx2.AsyncClient,
) -> None:
    account, other = (
        await make_account(admin_client, balance="0.01"),
        await make_account(admin_client),
    )
    address = f"/v1/accounts/{account['id']}"
    refused = await admin_client.delete(address)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_not_empty")
    await make_transfer(admin_client, account, other, "0.01")
    assert (await admin_client.delete(address)).status_code == 204
    closed = (await admin_client.get(address)).json()
    assert closed["closed_at"] is not None
    assert (await admin_client.delete(address)).status_code == 204
    assert (await admin_client.get(address)).json()["closed_at"] == closed["closed_at"]
    entries = (await admin_client.get(f"{address}/entries")).json()["items"]
    assert [entry["amount"] for entry in entries] == ["-0.01", "0.01"]


async def test_entry_list_is_newest_first_and_filtered_by_time(
    admin_client: httpx2.AsyncClient,
) -> None:
    account, other = (
        await make_account(admin_client, balance="10.00"),
        await make_account(admin_client),
    )
    made = [await make_transfer(admin_client, account, other, f"0.0{n}") for n in range(1, 8)]
    address = f"/v1/accounts/{account['id']}/entries"
    pages = await iterate_pages(admin_client, address, {"limit": 3})
    amounts = [entry["amount"] for page in pages for entry in page]
    assert amounts == [f"-0.0{n}" for n in range(7, 0, -1)] + ["10.00"]
    assert [len(page) for page in pages] == [3, 3, 2]
    since, until = made[0]["created_at"], made[4]["created_at"]
    params = {"created_at__gte": since, "created_at__lt": until, "sort": "created_at"}
    listed = (await admin_client.get(address, params=params)).json()["items"]
    entries = [entry for page in reversed(pages) for entry in reversed(page)]
    assert listed == [entry for entry in entries if since <= entry["created_at"] < until]
    assert await balance_of(admin_client, account) == "9.72"


async def test_list_statements_do_not_grow_with_limit(
    admin_client: httpx2.AsyncClient, state: State
) -> None:
    account, other = (
        await make_account(admin_client, balance="10.00"),
        await make_account(admin_client),
    )
    for _ in range(6):
        await make_transfer(admin_client, account, other, "0.01")
    for path, most in (
        ("/v1/accounts", 1),
        (f"/v1/accounts/{account['id']}/entries", 2),
        ("/v1/transfers", 1),
        (f"/v1/transfers?account_id={account['id']}", 1),
    ):
        counted = []
        for limit in (1, 100):
            with recorded_statements(state) as statements:
                answer = await admin_client.get(path, params={"limit": limit})
                shown = len(answer.json()["items"])
            assert shown == 1 if limit == 1 else shown > 2
            counted.append(len(statements))
        assert counted == [most, most], path
