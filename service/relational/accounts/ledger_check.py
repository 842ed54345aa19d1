"""Check the whole ledger by adding it up again, independently of its triggers."""

from typing import TypedDict

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from service.relational.accounts.tables import Account, Entry, Transfer
from service.stores.sql.lists.listing import AnySelect

MAX_IDS = 5


class Faults(TypedDict):
    """The number of faulty rows, and the ids of the first few."""

    count: int
    ids: list[str]


async def ledger_faults(connection: AsyncConnection) -> dict[str, Faults]:
    """Return the faults of the ledger by kind; reads every entry twice and takes no locks.

    Each kind is one statement and so sees one snapshot, whatever is booked meanwhile.
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
    faulty = wrong.subquery()
    shown = select(faulty.c.id, func.count().over()).order_by(faulty.c.id).limit(MAX_IDS)
    rows = (await connection.execute(shown)).all()
    return {"count": rows[0][1] if rows else 0, "ids": [str(row[0]) for row in rows]}
