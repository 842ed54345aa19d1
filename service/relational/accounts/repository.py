"""Accounts and their entries in PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement, Select, func, select

from service.auth.caller import Caller
from service.core.errors import Conflict, NotFound, Refused
from service.relational.accounts.schemas import (
    AccountCreate,
    AccountQuery,
    AccountRead,
    AccountUpdate,
    EntryQuery,
    EntryRead,
)
from service.relational.accounts.tables import Account, Entry
from service.relational.users.repository import UserRepository
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.listing import SqlListing, projection
from service.stores.sql.repository import SqlRepository
from service.web.conditional import Expected
from service.web.lists.pagination import Page
from service.web.schemas import changes


class AccountNotFound(NotFound):
    code, title = "account_not_found", "Account does not exist"


class OwnerUnknown(Conflict):
    code, title, pointer = "owner_unknown", "Owner does not exist", "/owner_id"
    constraints = "fk_accounts_owner_id"


class Overdrawn(Conflict):
    code, title, pointer = "overdrawn", "Balance is too low", "/amount"
    detail = "Send at most the balance of the account."
    constraints = "ck_accounts_overdraft"


class AccountNotEmpty(Conflict):
    code, title = "account_not_empty", "Account still has a balance"
    detail = "Transfer the balance to another account first."
    constraints = "ck_accounts_closed_is_empty"


class UnknownCurrency(Refused):
    code, title, pointer = "currency", "Currency must be three capital letters", "/currency"
    constraints = "ck_accounts_currency"


class LedgerBroken(Conflict):
    """A constraint of the ledger that only a mistake in this service can break."""

    code, title = "ledger", "Ledger would not balance"
    constraints = (
        "uq_accounts_id_currency", "ck_accounts_balance_is_sum", "ck_entries_immutable",
        "ck_entries_fit_transfer", "ck_entries_amount", "uq_entries_transfer_id",
        "fk_entries_transfer_id", "fk_entries_account_id", "ck_transfers_immutable",
        "ck_transfers_balanced",
    )  # fmt: skip


ENTRIES = SqlListing(
    Entry,
    EntryQuery,
    projection(Entry, EntryRead),
    schema=EntryRead,
    filters={"created_at": Entry.created_at},
)


class LockedAccount(NamedTuple):
    """An account that a transfer has locked."""

    id: UUID
    owner_id: UUID
    currency: str
    closed_at: datetime | None


class AccountRepository(SqlRepository[AccountRead]):
    """A caller without ``accounts:admin`` sees and changes their own accounts alone."""

    table, schema, missing = Account, AccountRead, AccountNotFound
    listing = SqlListing(
        Account,
        AccountQuery,
        projection(Account, AccountRead),
        schema=AccountRead,
        filters={"owner_id": Account.owner_id, "created_at": Account.created_at},
    )

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._users = UserRepository(context)

    def visible(self) -> ColumnElement[bool]:
        return self.owned_by_caller(Account.owner_id, unless="accounts:admin")

    async def list_entries(self, account_id: UUID, query: EntryQuery) -> Page[EntryRead]:
        await self.get(account_id)
        read, this = EntryRead.model_validate, Entry.account_id == account_id
        return await ENTRIES.page(self._session, query, self._paginator, read, this)

    async def add(self, account: AccountCreate) -> AccountRead:
        owner_id = self._caller.owner_for(account.owner_id, "accounts:admin", "/owner_id")
        if account.may_overdraw:
            self._caller.require_scope("accounts:admin", "/may_overdraw")
        if not await self._users.lock(owner_id):
            raise OwnerUnknown
        return await self._insert({**account.model_dump(), "owner_id": owner_id})

    async def change(
        self, account_id: UUID, change: AccountUpdate, expected: Expected
    ) -> AccountRead:
        await self._change(self._is(account_id), changes(change), expected)
        return await self.get(account_id)

    async def close(self, account_id: UUID, expected: Expected) -> None:
        """Close the account for transfers; a closed account keeps its date."""
        date = func.coalesce(Account.closed_at, func.now())
        await self._change(self._is(account_id), {"closed_at": date}, expected)

    async def lock(self, *account_ids: UUID) -> Mapping[UUID, LockedAccount]:
        """Return the accounts that exist, of any owner, locked until the transaction ends.

        They are locked in the order of their ids, so that no two transfers deadlock, and as an
        UPDATE of a balance locks them, so that foreign keys to them need not wait.
        """
        statement = (
            select(Account.id, Account.owner_id, Account.currency, Account.closed_at)
            .where(Account.id.in_(account_ids))
            .order_by(Account.id)
            .with_for_update(key_share=True)
        )
        return {row.id: LockedAccount(*row) for row in await self._session.execute(statement)}


def ids_owned_by(caller: Caller) -> Select[UUID]:
    """Return the query of the ids of the caller's own accounts."""
    return select(Account.id).where(Account.owner_id == caller.user_id)


Accounts = Annotated[AccountRepository, Depends(AccountRepository.from_request)]
