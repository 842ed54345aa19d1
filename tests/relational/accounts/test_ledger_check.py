"""`polystore doctor` recomputes the ledger and names accounts and transfers that are wrong."""

import asyncio
from typing import Any

import httpx2
from sqlalchemy import text

from service.cli.doctor import as_lines, examine
from service.main import State
from service.settings import Settings
from service.stores.embedded import StoreUrls
from tests.relational.accounts.factories import make_account, make_transfer

# The triggers prevent these changes, so they are disabled.
BREAK_BALANCES = (
    "ALTER TABLE accounts DISABLE TRIGGER accounts_keep_balance",
    "UPDATE accounts SET balance = balance + 0.01 WHERE currency = 'EUR'",
    "ALTER TABLE accounts ENABLE TRIGGER accounts_keep_balance",
)
BREAK_TRANSFER = (
    "ALTER TABLE entries DISABLE TRIGGER entries_stay",
    "DELETE FROM entries WHERE amount = -0.07",
    "ALTER TABLE entries ENABLE TRIGGER entries_stay",
)
CLEAN = {"count": 0, "ids": []}


async def run_doctor(settings: Settings, engines: StoreUrls) -> dict[str, Any]:
    """Return the report of the doctor on this worker's databases."""
    assert settings.database_url is not None
    urls = StoreUrls(settings.database_url.get_secret_value(), engines.mongodb_url)
    return await asyncio.to_thread(examine, urls, settings.mongodb_database or "")


async def run(state: State, *statements: str) -> None:
    async with state["sql"].engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_ledger_check_consistent_ledger_is_ok(
    admin_client: httpx2.AsyncClient, settings: Settings, engines: StoreUrls
) -> None:
    await make_account(admin_client, balance="5.00")
    report = await run_doctor(settings, engines)
    ledger = {"accounts_off_their_entries": CLEAN, "transfers_off_zero": CLEAN}
    assert report["postgresql"]["ledger"] == ledger
    assert report["ok"]
    assert not [line for line in as_lines(report) if "such as" in line]


async def test_ledger_check_counts_wrong_balances_and_names_five(
    admin_client: httpx2.AsyncClient, state: State, settings: Settings, engines: StoreUrls
) -> None:
    wrong = [(await make_account(admin_client))["id"] for _ in range(7)]
    await make_account(admin_client, currency="USD", balance="5.00")
    await run(state, *BREAK_BALANCES)
    report = await run_doctor(settings, engines)
    assert (report["ok"], report["postgresql"]["ok"]) == (False, False)
    ledger = report["postgresql"]["ledger"]
    assert ledger["accounts_off_their_entries"] == {"count": 7, "ids": sorted(wrong)[:5]}
    assert ledger["transfers_off_zero"] == CLEAN
    assert any("7 accounts off their entries" in line for line in as_lines(report))


async def test_ledger_check_names_transfer_without_entry(
    admin_client: httpx2.AsyncClient, state: State, settings: Settings, engines: StoreUrls
) -> None:
    sender, receiver = (
        await make_account(admin_client, balance="5.00"),
        await make_account(admin_client),
    )
    wrong = await make_transfer(admin_client, sender, receiver, "0.07")
    await run(state, *BREAK_TRANSFER)
    report = await run_doctor(settings, engines)
    assert not report["ok"]
    ledger = report["postgresql"]["ledger"]
    assert ledger["transfers_off_zero"] == {"count": 1, "ids": [wrong["id"]]}
    assert ledger["accounts_off_their_entries"] == {"count": 1, "ids": [sender["id"]]}
