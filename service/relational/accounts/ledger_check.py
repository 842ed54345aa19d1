"""The whole ledger, added up again: what the triggers keep true, looked at from outside."""

from typing import TypedDict

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.relational.accounts.tables import Account, Entry, Transfer
from service.stores.sql.rows import AnySelect

MOST_IDS = 5


class Faults(TypedDict):
    """How many there are, and the ids of the first few."""

    count: int
    ids: list[str]


async def ledger_faults(connection: AsyncConnection) -> dict[str, Faults]:
    """What is wrong, by what it is; reads every entry twice, and the traffic does not wait for it.

    Each is one statement and so sees one moment, whatever is booked meanwhile.
    """
    total = func.sum(Entry.amount)
    booked = select(Entry.account_id, total.label("total")).group_by(Entry.account_id).subquery()
    accounts = (
        select(Account.id)
        .outerjoin(booked, booked.c.account_id == Account.id)
        .where(Account.balance != func.coalesce(booked.c.total, 0))
    )
    transfers = (
        select(Transfer.id)
        .outerjoin(Entry, Entry.transfer_id == Transfer.id)
        .group_by(Transfer.id)
        .having(or_(func.count(Entry.id) < 2, total != 0))
    )
    return {
        "accounts_off_their_entries": await _faults(connection, accounts),
        "transfers_off_zero": await _faults(connection, transfers),
    }


async def _faults(connection: AsyncConnection, wrong: AnySelect) -> Faults:
    found = wrong.subquery()
    shown = select(found.c.id, func.count().over()).order_by(found.c.id).limit(MOST_IDS)
    rows = (await connection.execute(shown)).all()
    return {"count": rows[0][1] if rows else 0, "ids": [str(row[0]) for row in rows]}
