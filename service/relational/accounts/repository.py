"""Accounts and their entries in PostgreSQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from sqlalchemy import Select, func, insert, select

from service.auth.caller import Caller, CurrentCaller
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
from service.relational.users.repository import Users
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import Columns, change_row, filtered, owned_by, sql_page
from service.web.conditional import Expected
from service.web.context import provided
from service.web.pagination import Page, Paging
from service.web.schemas import changes


class AccountNotFound(NotFound):
    code, title = "account_not_found", "There is no such account"


class OwnerUnknown(Conflict):
    code, title, pointer = "owner_unknown", "There is no user with the owner's id", "/owner_id"
    constraints = "fk_accounts_owner_id"


class Overdrawn(Conflict):
    code, title, pointer = "overdrawn", "There is not that much in the account", "/amount"
    constraints = "ck_accounts_overdraft"


class AccountNotEmpty(Conflict):
    code, title = "account_not_empty", "An account that is closed has a balance of 0.00"
    detail = "Transfer what is in it first."
    constraints = "ck_accounts_closed_is_empty"


class UnknownCurrency(Refused):
    code, title, pointer = "currency", "A currency is three capitals", "/currency"
    constraints = "ck_accounts_currency"


class LedgerBroken(Conflict):
    """What only a mistake of ours could be refused with: the service never asks for it."""

    code, title = "ledger", "The ledger would not be true any more"
    constraints = (
        "uq_accounts_id_currency", "ck_accounts_balance_is_sum", "ck_entries_immutable",
        "ck_entries_fit_transfer", "ck_entries_amount", "uq_entries_transfer_id",
        "fk_entries_transfer_id", "fk_entries_account_id", "ck_transfers_immutable",
        "ck_transfers_balanced",
    )  # fmt: skip


_COLUMNS = columns(
    Account.id, Account.owner_id, Account.name, Account.currency, Account.balance,
    Account.may_overdraw, Account.closed_at, Account.version, Account.created_at,
    Account.updated_at,
)  # fmt: skip
_ENTRY_COLUMNS = (Entry.id, Entry.transfer_id, Entry.account_id, Entry.amount, Entry.created_at)
_FILTERED: Columns = {"owner_id": Account.owner_id}
_FILTERED_ENTRIES: Columns = {"created_at": Entry.created_at}


class HeldAccount(NamedTuple):
    """What a transfer has to know of an account."""

    id: UUID
    owner_id: UUID
    currency: str
    closed_at: datetime | None


class AccountRepository:
    """Whoever lacks ``accounts:admin`` sees and changes their own accounts alone."""

    def __init__(
        self, session: SqlSession, paginator: Paging, users: Users, caller: CurrentCaller
    ) -> None:
        self._session, self._paginator, self._users, self._caller = (
            session,
            paginator,
            users,
            caller,
        )
        self._seen = owned_by(caller, Account.owner_id, unless="accounts:admin")

    async def get(self, account_id: UUID) -> AccountRead:
        statement = select(*_COLUMNS).where(Account.id == account_id, self._seen)
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise AccountNotFound
        return AccountRead.model_validate(row)

    async def list(self, query: AccountQuery) -> Page[AccountRead]:
        statement = filtered(select(*_COLUMNS).where(self._seen), query.filters(), _FILTERED)
        return await sql_page(
            self._session, statement, Account, query, self._paginator, AccountRead.model_validate
        )

    async def list_entries(self, account_id: UUID, query: EntryQuery) -> Page[EntryRead]:
        there = select(Account.id).where(Account.id == account_id, self._seen)
        if await self._session.scalar(there) is None:
            raise AccountNotFound
        statement = select(*_ENTRY_COLUMNS).where(Entry.account_id == account_id)
        statement = filtered(statement, query.filters(), _FILTERED_ENTRIES)
        return await sql_page(
            self._session, statement, Entry, query, self._paginator, EntryRead.model_validate
        )

    async def add(self, account: AccountCreate) -> AccountRead:
        owner_id = self._caller.owner_for(account.owner_id, "accounts:admin", "/owner_id")
        if account.may_overdraw:
            self._caller.require_scope("accounts:admin", "/may_overdraw")
        if not await self._users.lock(owner_id):
            raise OwnerUnknown
        values = {**account.model_dump(), "owner_id": owner_id}
        statement = insert(Account).values(**values).returning(*_COLUMNS)
        return AccountRead.model_validate((await self._session.execute(statement)).one())

    async def change(
        self, account_id: UUID, change: AccountUpdate, expected: Expected
    ) -> AccountRead:
        await self._change(account_id, changes(change), expected)
        return await self.get(account_id)

    async def close(self, account_id: UUID, expected: Expected) -> None:
        """Lets no transfer in or out any more; one that is closed already keeps its date."""
        date = func.coalesce(Account.closed_at, func.now())
        await self._change(account_id, {"closed_at": date}, expected)

    async def hold(self, *account_ids: UUID) -> Mapping[UUID, HeldAccount]:
        """Those of the accounts that there are, whosever, as they are until the transaction ends.

        Locked in the order of their ids, so that no two transfers wait for each other in turn; and
        as an UPDATE of a balance locks them, so that nobody who only refers to them has to wait.
        """
        statement = (
            select(Account.id, Account.owner_id, Account.currency, Account.closed_at)
            .where(Account.id.in_(account_ids))
            .order_by(Account.id)
            .with_for_update(key_share=True)
        )
        return {row.id: HeldAccount(*row) for row in await self._session.execute(statement)}

    async def _change(self, account_id: UUID, values: dict[str, Any], expected: Expected) -> None:
        where = (Account.id == account_id) & self._seen
        await change_row(self._session, Account, where, values, expected, AccountNotFound)


def ids_owned_by(caller: Caller) -> Select[UUID]:
    """The ids of the caller's own accounts."""
    return select(Account.id).where(Account.owner_id == caller.user_id)


Accounts = Annotated[AccountRepository, provided(AccountRepository)]
