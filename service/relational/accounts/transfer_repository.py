"""Transfers in PostgreSQL: single reads and lists."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import aliased

from service.core.errors import NotFound
from service.relational.accounts.repository import ids_owned_by
from service.relational.accounts.schemas import TransferQuery, TransferRead
from service.relational.accounts.tables import Account, Entry, Transfer
from service.stores.sql.context import SqlContext, SqlService
from service.stores.sql.lists.listing import SqlListing
from service.web.lists.pagination import Page


class TransferNotFound(NotFound):
    code, title = "transfer_not_found", "Transfer does not exist"
    constraints = "fk_transfers_reverses_id"


_REVERSAL = aliased(Transfer)
_REVERSED_BY = select(_REVERSAL.id).where(_REVERSAL.reverses_id == Transfer.id).scalar_subquery()
_SHOWN: dict[str, Any] = {
    "from_account_id": Transfer.from_account_id,
    "to_account_id": Transfer.to_account_id,
    "amount": Transfer.amount,
    "currency": Transfer.currency,
    "description": Transfer.description,
    "reverses_id": Transfer.reverses_id,
    "created_by": Transfer.created_by,
    "reversed_by_id": _REVERSED_BY,
}
TRANSFERS = SqlListing(
    Transfer,
    TransferQuery,
    {"id": Transfer.id, **_SHOWN, "created_at": Transfer.created_at},
    schema=TransferRead,
    filters={"created_at": Transfer.created_at},
    elsewhere=["account_id"],
)
# Transfers as the entries of accounts find them: in order by account, on either side.
BY_ENTRIES = SqlListing(
    Entry,
    TransferQuery,
    {"id": Transfer.id, **_SHOWN, "created_at": Entry.created_at},
    schema=TransferRead,
    filters={"created_at": Entry.created_at},
    elsewhere=["account_id"],
    source=Entry.__table__.join(Transfer.__table__, Transfer.id == Entry.transfer_id),
)


class TransferRepository(SqlService):
    """The owner of either account sees a transfer; ``transfers:admin`` sees all of them."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._own_accounts = ids_owned_by(context.caller)
        self._sees_everything = context.caller.has_scope("transfers:admin")

    def visible(self) -> ColumnElement[bool]:
        if self._sees_everything:
            return true()
        ends = (Transfer.from_account_id, Transfer.to_account_id)
        return or_(*(end.in_(self._own_accounts) for end in ends))

    async def get(self, transfer_id: UUID) -> TransferRead:
        statement = TRANSFERS.select().where(Transfer.id == transfer_id, self.visible())
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise TransferNotFound
        return read_transfer(row)

    async def list(self, query: TransferQuery) -> Page[TransferRead]:
        if self._sees_everything and query.account_id is None:
            return await self._page(TRANSFERS, query)
        return await self._page(BY_ENTRIES, query, *await self._conditions(query.account_id))

    async def _conditions(self, account_id: UUID | None) -> tuple[ColumnElement[bool], ...]:
        """Transfers with someone else's account are found through the caller's entries.

        That account may have many more of them.
        """
        own_entries = Entry.account_id.in_(self._own_accounts)
        if account_id is None:
            # A transfer between two own accounts has two own entries and is listed once.
            from_others = Transfer.from_account_id.not_in(self._own_accounts)
            return own_entries, or_(Entry.amount < 0, from_others)
        if self._sees_everything or await self._owns(account_id):
            return (Entry.account_id == account_id,)
        ends = (Transfer.from_account_id, Transfer.to_account_id)
        return own_entries, or_(*(end == account_id for end in ends))

    async def _page(
        self, listing: SqlListing, query: TransferQuery, *conditions: ColumnElement[bool]
    ) -> Page[TransferRead]:
        return await listing.page(self._session, query, self._paginator, read_transfer, *conditions)

    async def _owns(self, account_id: UUID) -> bool:
        own = self._own_accounts.where(Account.id == account_id)
        return await self._session.scalar(own) is not None


def read_transfer(row: Any) -> TransferRead:
    """Return a row as a transfer; its version counts its reversal."""
    values = dict(row._mapping)
    reversed_by_id = values.pop("reversed_by_id", None)
    version = 1 if reversed_by_id is None else 2
    return TransferRead(**values, reversed_by_id=reversed_by_id, version=version)


Transfers = Annotated[TransferRepository, Depends(TransferRepository.from_request)]
