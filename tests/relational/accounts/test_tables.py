"""PostgreSQL refuses statements that break the ledger, and reads its lists from indexes."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from service.main import State
from service.relational.accounts.schemas import AccountQuery, EntryQuery, TransferQuery
from service.stores.sql.errors import translate_sql_error
from service.web.lists.pagination import ListQuery
from tests.fixtures.client import client_as, member_caller
from tests.relational.accounts.factories import assert_ledger_balanced, make_account, make_transfer
from tests.relational.users.statements import fill, recorded_statements, used_indexes

NEW = "00000000-0000-7000-8000-00000000000a"
INSERT_TRANSFER = """
INSERT INTO transfers
    (id, from_account_id, to_account_id, amount, currency, description, created_by, reverses_id)
SELECT '{new}', {sender}, {receiver}, {amount}, '{currency}', '', created_by, {reverses}
FROM transfers WHERE id = :transfer
"""
INSERT_ENTRY = """
INSERT INTO entries (id, transfer_id, account_id, amount, created_at)
SELECT gen_random_uuid(), id, :{account}, {amount}, {time} FROM transfers WHERE id = {transfer}
"""
USUAL = {
    "new": NEW, "sender": ":sender", "receiver": ":receiver", "amount": "1", "currency": "EUR",
    "reverses": "NULL",
}  # fmt: skip


def inserted(**other: str) -> str:
    return INSERT_TRANSFER.format(**{**USUAL, **other})


def entry(account: str, amount: str, transfer: str = f"'{NEW}'", time: str = "created_at") -> str:
    return INSERT_ENTRY.format(account=account, amount=amount, transfer=transfer, time=time)


TAKEN, GIVEN = entry("sender", "-1"), entry("receiver", "1")
REFUSED: dict[str, tuple[str, ...]] = {
    "ck_transfers_balanced no entries": (inserted(),),
    "ck_transfers_balanced one entry": (inserted(), GIVEN),
    "ck_entries_fit_transfer more": (inserted(), TAKEN, entry("receiver", "1.01")),
    "ck_entries_fit_transfer sign": (inserted(), entry("sender", "1")),
    "ck_entries_fit_transfer another account": (inserted(), TAKEN, entry("bystander", "1")),
    "ck_entries_fit_transfer time": (
        inserted(), entry("sender", "-1", time="now() - interval '1 day'"),
    ),
    "uq_entries_transfer_id third": (inserted(), TAKEN, GIVEN, GIVEN),
    "uq_entries_transfer_id late": (entry("receiver", "5", ":transfer"),),
    "ck_entries_amount": (inserted(), entry("sender", "0")),
    "ck_entries_immutable update": ("UPDATE entries SET amount = amount * 2",),
    "ck_entries_immutable delete": ("DELETE FROM entries WHERE transfer_id = :transfer",),
    "ck_transfers_immutable update": ("UPDATE transfers SET amount = amount * 2",),
    "ck_transfers_immutable delete": ("DELETE FROM transfers WHERE id = :transfer",),
    "ck_transfers_two_accounts": (inserted(receiver=":sender"),),
    "ck_transfers_amount zero": (inserted(amount="0"),),
    "ck_transfers_amount NaN": (inserted(amount="'NaN'"),),
    "ck_transfers_reversal other way": (inserted(reverses=":transfer", amount="5"),),
    "ck_transfers_reversal less": (
        inserted(reverses=":transfer", sender=":receiver", receiver=":sender", amount="4"),
    ),
    "ck_accounts_balance_is_sum": ("UPDATE accounts SET balance = 6 WHERE id = :receiver",),
    "ck_accounts_balance_is_sum opening": (
        """
        INSERT INTO accounts (id, owner_id, name, currency, balance)
        SELECT gen_random_uuid(), owner_id, '', 'EUR', 1 FROM accounts WHERE id = :sender
        """,
    ),
    "ck_accounts_overdraft": (inserted(sender=":bystander"), entry("bystander", "-1")),
    "ck_accounts_overdraft forbidden later": ("UPDATE accounts SET may_overdraw = false",),
    "ck_accounts_closed_is_empty": ("UPDATE accounts SET closed_at = now() WHERE id = :receiver",),
    "ck_accounts_closed_is_empty entry": (
        "UPDATE accounts SET closed_at = now() WHERE id = :bystander",
        inserted(receiver=":bystander"), TAKEN, entry("bystander", "1"),
    ),
    "ck_accounts_currency": ("UPDATE accounts SET currency = 'eur' WHERE id = :bystander",),
    "fk_transfers_from_account_id currency": (
        "UPDATE accounts SET currency = 'USD' WHERE id = :sender",
    ),
    "fk_transfers_from_account_id other": (inserted(currency="USD"),),
    "fk_transfers_to_account_id other": (inserted(receiver=":dollars"),),
    "fk_transfers_to_account_id delete": ("DELETE FROM accounts WHERE id = :receiver",),
}  # fmt: skip


@pytest.fixture
async def world(admin_client: httpx2.AsyncClient) -> dict[str, Any]:
    """Return the ids of a transfer of 5.00 and of the accounts that a statement may name."""
    sender, receiver = (
        await make_account(admin_client, may_overdraw=True),
        await make_account(admin_client),
    )
    return {
        "transfer": (await make_transfer(admin_client, sender, receiver, "5.00"))["id"],
        "sender": sender["id"],
        "receiver": receiver["id"],
        "bystander": (await make_account(admin_client))["id"],
        "dollars": (await make_account(admin_client, currency="USD"))["id"],
    }


async def run(connection: AsyncConnection, statements: tuple[str, ...], world: Any) -> None:
    for statement in statements:
        named = text(statement)
        await connection.execute(named, {name: world[name] for name in named._bindparams})


@pytest.mark.parametrize("case", REFUSED)
async def test_database_refuses_statement_that_breaks_ledger(
    state: State, world: dict[str, Any], case: str
) -> None:
    name, *_ = case.split()
    with pytest.raises(DBAPIError) as caught:
        async with state["sql"].engine.begin() as connection:
            await run(connection, REFUSED[case], world)
    assert getattr(caught.value.driver_exception, "constraint_name", None) == name
    refusal = translate_sql_error(caught.value)
    assert refusal is not None
    assert refusal.code not in ("conflict", "out_of_range"), "an error class names the constraint"
    assert await assert_ledger_balanced(state) == 5


async def test_database_accepts_transfer_with_both_entries(
    state: State, world: dict[str, Any], admin_client: httpx2.AsyncClient
) -> None:
    async with state["sql"].engine.begin() as connection:
        await run(connection, (inserted(), TAKEN, GIVEN), world)
    assert await assert_ledger_balanced(state) == 6
    assert (await admin_client.get(f"/v1/accounts/{world['receiver']}")).json()["balance"] == "6.00"


# 5,000 accounts of 2,500 users (account n belongs to user n / 2) and 20,000 transfers. The triggers
# are disabled because they check each entry, which exceeds the driver's timeout on slow machines.
MANY = (
    "ALTER TABLE transfers DISABLE TRIGGER USER",
    "ALTER TABLE entries DISABLE TRIGGER USER",
    """
    CREATE FUNCTION pg_temp.many_id(n int) RETURNS uuid LANGUAGE sql AS
    $$SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid$$
    """,
    """
    INSERT INTO users (id, username, email)
    SELECT pg_temp.many_id(n), 'user' || n, 'user' || n || '@example.com'
    FROM generate_series(0, 2500) AS n
    """,
    """
    INSERT INTO accounts (id, owner_id, name, currency, may_overdraw, created_at)
    SELECT pg_temp.many_id(n), pg_temp.many_id(n / 2), 'Account ' || n, 'EUR', true,
           now() - n * interval '1 minute'
    FROM generate_series(0, 5000) AS n
    """,
    """
    INSERT INTO transfers (id, from_account_id, to_account_id, amount, currency, description,
                           created_by, created_at)
    SELECT pg_temp.many_id(n), pg_temp.many_id(n % 5000), pg_temp.many_id((n * 7 + 1) % 5000), 1,
           'EUR', '', pg_temp.many_id(1), now() - n * interval '1 minute'
    FROM generate_series(1, 20000) AS n WHERE n % 5000 <> (n * 7 + 1) % 5000
    """,
    """
    INSERT INTO entries (id, transfer_id, account_id, amount, created_at)
    SELECT gen_random_uuid(), id, from_account_id, -amount, created_at FROM transfers
    UNION ALL
    SELECT gen_random_uuid(), id, to_account_id, amount, created_at FROM transfers
    """,
    "DROP FUNCTION pg_temp.many_id",
    "ALTER TABLE transfers ENABLE TRIGGER USER",
    "ALTER TABLE entries ENABLE TRIGGER USER",
)
USER, ACCOUNT = "00000000-0000-7000-8000-000000000007", "00000000-0000-7000-8000-000000000014"
FUTURE, PAST = "2199-01-01T00:00:00Z", "1970-01-01T00:00:00Z"
# Role, path, parameters and the index that must be used.
LISTS: list[tuple[str, str, dict[str, str], set[str]]] = [
    ("member", "/v1/accounts", {}, {"ix_accounts_owner_id"}),
    ("admin", "/v1/accounts", {"owner_id": USER}, {"ix_accounts_owner_id"}),
    ("admin", "/v1/accounts", {"created_at__gte": FUTURE}, {"ix_accounts_created_at_id"}),
    *[
        ("admin", f"/v1/accounts/{ACCOUNT}/entries", params, {"ix_entries_account_id"})
        for params in ({}, {"created_at__gte": FUTURE}, {"created_at__lt": PAST})
    ],
    ("admin", "/v1/transfers", {"account_id": ACCOUNT}, {"ix_entries_account_id"}),
    ("admin", "/v1/transfers", {"created_at__gte": FUTURE}, {"ix_transfers_created_at_id"}),
    ("admin", "/v1/transfers", {"created_at__lt": PAST}, {"ix_transfers_created_at_id"}),
    ("member", "/v1/transfers", {}, {"ix_accounts_owner_id", "ix_entries_account_id"}),
    ("member", "/v1/transfers", {"account_id": ACCOUNT}, {"ix_entries_account_id"}),
    ("member", "/v1/transfers", {"created_at__gte": FUTURE}, {"ix_entries_account_id"}),
]


async def test_list_queries_use_an_index_for_members_too(
    app: FastAPI, state: State, reset_stores: None
) -> None:
    filters = {
        name for query in (AccountQuery, EntryQuery, TransferQuery) for name in query.model_fields
    }
    tested = {name for _, _, params, _ in LISTS for name in params}
    assert tested == filters - set(ListQuery.model_fields), "name the index of the new filter"
    async with state["sql"].engine.begin() as connection:
        await fill(connection, *MANY)
    wrong = []
    for role, path, params, indexes in LISTS:
        async with client_as(member_caller(USER, role), app, state) as client:
            for sort in ("created_at", "-created_at"):
                with recorded_statements(state) as statements:
                    answer = await client.get(path, params={**params, "sort": sort})
                    assert answer.status_code == 200, answer.text
                async with state["sql"].engine.connect() as connection:
                    used = await used_indexes(connection, statements[-1])
                # Both indexes of an account find its few entries; either may be the smaller one.
                used = {name.removesuffix("_created_xid") for name in used}
                if not indexes <= used or any(name.startswith("scan of") for name in used):
                    wrong.append((role, path, params, sort, used))
    assert wrong == []
