"""``polystore`` with one mistake, named by ``CHAOS_CONTROL``: a negative control of the checker."""

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pymongo import WriteConcern
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service import cli
from service.documents.predictions.ingest.writer import SharedWriter
from service.relational.accounts.repository import AccountRepository, LockedAccount
from service.relational.accounts.tables import Account
from service.relational.catalog.stock_movements import LockedProduct
from service.relational.catalog.tables import Product
from service.relational.orders import place
from service.stores.mongo import client as mongo_client
from service.stores.mongo.client import MongoStore


def w1() -> None:
    """Let MongoDB acknowledge what is in its memory alone."""
    vars(mongo_client)["WriteConcern"] = lambda **_: WriteConcern(w=1, j=False)


def acknowledged_before_write() -> None:
    """Answer as soon as an event waits for its insert."""
    submit, waiting = SharedWriter.submit, set[asyncio.Task[Any]]()

    async def submit_later(self: SharedWriter, document: Any) -> str:
        task = asyncio.create_task(submit(self, document))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        return "created"

    SharedWriter.submit = submit_later  # type: ignore[method-assign, assignment]


def unordered_locks() -> None:
    """Lock the accounts of a transfer one after the other, as the request names them."""

    async def lock(self: AccountRepository, *ids: UUID) -> Mapping[UUID, LockedAccount]:
        found = {}
        for account_id in ids:
            statement = (
                select(Account.id, Account.owner_id, Account.currency, Account.closed_at)
                .where(Account.id == account_id)
                .with_for_update(key_share=True)
            )
            for row in await self._session.execute(statement):
                found[row.id] = LockedAccount(*row)
        return found

    AccountRepository.lock = lock  # type: ignore[method-assign]


def read_check_write() -> None:
    """Read the stock without a lock, and write what was left of it."""
    move_stock = vars(place)["move_stock"]

    async def read(session: AsyncSession, ids: Iterable[UUID]) -> Mapping[UUID, LockedProduct]:
        p = Product
        columns = (p.id, p.sku, p.name, p.price, p.currency, p.stock)
        rows = await session.execute(select(*columns).where(p.id.in_(set(ids))))
        found = {row.id: LockedProduct(*row) for row in rows}
        session.info["stocks"] = {key: product.stock for key, product in found.items()}
        return found

    async def write(
        session: AsyncSession, changes: Mapping[UUID, int], reason: str, **about: Any
    ) -> None:
        for key, stock in session.info["stocks"].items():
            await session.execute(update(Product).where(Product.id == key).values(stock=stock))
        await move_stock(session, changes, reason, **about)

    vars(place).update(lock_products=read, move_stock=write)


def leaked_slots() -> None:
    """Keep the slot of a call that fails."""
    call = MongoStore.call

    async def leaking(self: MongoStore, work: Any, *, writes: bool, spent: float = 0.0) -> Any:
        try:
            return await call(self, work, writes=writes, spent=spent)
        except Exception:
            if not self._slots.locked():
                await self._slots.acquire()
                self._in_use += 1
            raise

    MongoStore.call = leaking  # type: ignore[method-assign]


PATCHES = (
    w1,
    acknowledged_before_write,
    unordered_locks,
    read_check_write,
    leaked_slots,
)

if __name__ == "__main__":
    {patch.__name__: patch for patch in PATCHES}[os.environ["CHAOS_CONTROL"]]()
    cli.app()
