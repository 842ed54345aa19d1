"""Moving money from one account to another: the deed, and reading what was done."""

from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import ColumnElement, insert, or_, select, true
from sqlalchemy.orm import aliased
from uuid_utils.compat import uuid7

from service.auth.caller import CurrentCaller, NotYours
from service.core.errors import Conflict, FieldError, NotFound, Refused
from service.relational.accounts.repository import Accounts, HeldAccount, ids_owned_by
from service.relational.accounts.schemas import TransferCreate, TransferQuery, TransferRead
from service.relational.accounts.tables import Account, Entry, Transfer
from service.stores.sql.base import columns
from service.stores.sql.engine import SqlSession
from service.stores.sql.rows import AnySelect, Columns, filtered, sql_page
from service.web.context import provided
from service.web.pagination import Page, Paging


class TransferNotFound(NotFound):
    code, title = "transfer_not_found", "There is no such transfer"
    constraints = "fk_transfers_reverses_id"


class AccountUnknown(Conflict):
    code, title = "account_unknown", "There is no account of this id that you could use here"


class SenderUnknown(AccountUnknown):
    pointer, constraints = "/from_account_id", "fk_transfers_from_account_id"


class ReceiverUnknown(AccountUnknown):
    pointer, constraints = "/to_account_id", "fk_transfers_to_account_id"


class MakerUnknown(Conflict):
    code, title, constraints = "maker_unknown", "There is no such user", "fk_transfers_created_by"


class AccountClosed(Conflict):
    code, title = "account_closed", "A closed account takes and gives nothing"

    def __init__(self, *pointers: str) -> None:
        errors = [FieldError(pointer=each, code=self.code, detail=self.title) for each in pointers]
        super().__init__(errors=errors)


class CurrenciesDiffer(Conflict):
    code, title, pointer = "currencies_differ", "It has another currency", "/to_account_id"
    detail = "A transfer stays within one currency; nothing is converted."


class SameAccount(Refused):
    code, title, pointer = "same_account", "It goes to another account", "/to_account_id"
    constraints = "ck_transfers_two_accounts"


class NotAnAmount(Refused):
    code, title, pointer = "amount", "It is more than 0.00", "/amount"
    constraints = "ck_transfers_amount"


class AlreadyReversed(Conflict):
    code, title = "already_reversed", "This transfer was reversed already"
    constraints = "uq_transfers_reverses_id"


class IsReversal(Conflict):
    code, title = "is_reversal", "A reversal cannot be reversed"
    detail = "Make a new transfer."
    constraints = "ck_transfers_reversal"


_COLUMNS = columns(
    Transfer.from_account_id, Transfer.to_account_id, Transfer.amount, Transfer.currency,
    Transfer.description, Transfer.reverses_id, Transfer.created_by,
)  # fmt: skip
_OTHER = aliased(Transfer)
_REVERSED_BY = (select(_OTHER.id).where(_OTHER.reverses_id == Transfer.id).scalar_subquery()).label(
    "reversed_by_id"
)


class Ledger:
    """Who owns one of the accounts sees a transfer, who owns the first of them makes it.

    ``transfers:admin`` sees and makes those of everybody.
    """

    def __init__(
        self, session: SqlSession, paginator: Paging, accounts: Accounts, caller: CurrentCaller
    ) -> None:
        self._session, self._paginator = session, paginator
        self._accounts, self._caller = accounts, caller
        self._mine = ids_owned_by(caller)
        self._all_of_them = caller.has_scope("transfers:admin")

    async def get(self, transfer_id: UUID) -> TransferRead:
        columns = (Transfer.id, *_COLUMNS, Transfer.created_at, _REVERSED_BY)
        statement = select(*columns).where(Transfer.id == transfer_id, self._seen())
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise TransferNotFound
        return _read(row)

    async def list(self, query: TransferQuery) -> Page[TransferRead]:
        if self._all_of_them and query.account_id is None:
            columns = (Transfer.id, *_COLUMNS, Transfer.created_at, _REVERSED_BY)
            return await self._page(select(*columns), Transfer, query)
        return await self._page(await self._by_entries(query.account_id), Entry, query)

    async def make(self, transfer: TransferCreate) -> TransferRead:
        """Money moved, or one of the refusals above and nothing done."""
        held = await self._accounts.hold(transfer.from_account_id, transfer.to_account_id)
        sender = held.get(transfer.from_account_id)
        receiver = held.get(transfer.to_account_id)
        if sender is None or not self._may_give_from(sender):
            raise SenderUnknown
        if receiver is None:
            raise ReceiverUnknown
        ends = (("/from_account_id", sender), ("/to_account_id", receiver))
        closed = [pointer for pointer, account in ends if account.closed_at is not None]
        if closed:
            raise AccountClosed(*closed)
        if sender.currency != receiver.currency:
            raise CurrenciesDiffer
        return await self._book({**transfer.model_dump(), "currency": sender.currency})

    async def reverse(self, transfer_id: UUID) -> TransferRead:
        """The same money back, given by whose it is now: a new transfer, once.

        Raises:
            NotYours: it was not to the caller that it went.
        """
        made = await self.get(transfer_id)
        held = await self._accounts.hold(made.from_account_id, made.to_account_id)
        giver, taker = held[made.to_account_id], held[made.from_account_id]
        if not self._may_give_from(giver):
            raise NotYours
        if giver.closed_at is not None or taker.closed_at is not None:
            raise AccountClosed
        values = made.model_dump(include={"amount", "currency", "description"})
        ends = {"from_account_id": giver.id, "to_account_id": taker.id}
        return await self._book({**values, **ends, "reverses_id": transfer_id})

    async def _book(self, values: dict[str, Any]) -> TransferRead:
        """The transfer and its two entries, whose trigger changes the balances."""
        values = {**values, "created_by": self._caller.user_id}
        columns = (Transfer.id, *_COLUMNS, Transfer.created_at)
        statement = insert(Transfer).values(**values).returning(*columns)
        made = (await self._session.execute(statement)).one()
        ends = ((made.from_account_id, -made.amount), (made.to_account_id, made.amount))
        of_it = {"transfer_id": made.id, "created_at": made.created_at}
        entries = [
            {"id": uuid7(), "account_id": account_id, "amount": amount, **of_it}
            for account_id, amount in ends
        ]
        await self._session.execute(insert(Entry).values(entries))
        return _read(made)

    async def _by_entries(self, account_id: UUID | None) -> AnySelect:
        """Transfers as the entries of an account find them, or of all accounts of the caller.

        The entries are in order by account, on whichever side of the transfer it stands. Those with
        an account of somebody else, who may have many, are looked for among the caller's own.
        """
        columns = (*_COLUMNS, Entry.id, Entry.transfer_id, Entry.created_at, _REVERSED_BY)
        statement = select(*columns).join(Transfer, Transfer.id == Entry.transfer_id)
        if account_id is not None:
            if self._all_of_them or await self._owns(account_id):
                return statement.where(Entry.account_id == account_id)
            ends = (Transfer.from_account_id, Transfer.to_account_id)
            with_it = or_(*(end == account_id for end in ends))
            return statement.where(Entry.account_id.in_(self._mine), with_it)
        # One that goes from an account of theirs to another of theirs has two: once is enough.
        once = or_(Entry.amount < 0, Transfer.from_account_id.not_in(self._mine))
        return statement.where(Entry.account_id.in_(self._mine), once)

    async def _page(
        self, statement: AnySelect, table: type[Transfer | Entry], query: TransferQuery
    ) -> Page[TransferRead]:
        sorted_by: Columns = {"created_at": table.created_at}
        statement = filtered(statement, query.filters(), sorted_by)
        return await sql_page(self._session, statement, table, query, self._paginator, _read)

    async def _owns(self, account_id: UUID) -> bool:
        mine = self._mine.where(Account.id == account_id)
        return await self._session.scalar(mine) is not None

    def _seen(self) -> ColumnElement[bool]:
        if self._all_of_them:
            return true()
        return or_(Transfer.from_account_id.in_(self._mine), Transfer.to_account_id.in_(self._mine))

    def _may_give_from(self, account: HeldAccount) -> bool:
        return self._all_of_them or account.owner_id == self._caller.user_id


def _read(row: Any) -> TransferRead:
    found = dict(row._mapping)
    found["id"] = found.pop("transfer_id", found["id"])
    reversed_by_id = found.pop("reversed_by_id", None)
    version = 1 if reversed_by_id is None else 2
    return TransferRead(**found, reversed_by_id=reversed_by_id, version=version)


Transfers = Annotated[Ledger, provided(Ledger)]
