"""Move money from one account to another, and back."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from sqlalchemy import insert
from uuid_utils.compat import uuid7

from service.auth.caller import NotYours
from service.core.errors import Conflict, Refused, field_error
from service.relational.accounts.repository import AccountRepository, LockedAccount
from service.relational.accounts.schemas import TransferCreate, TransferRead
from service.relational.accounts.tables import Entry, Transfer
from service.relational.accounts.transfer_repository import TransferRepository, read_transfer
from service.stores.sql.context import SqlContext, SqlService


class AccountUnknown(Conflict):
    code, title = "account_unknown", "Account does not exist, or is not yours to use here"


class SenderUnknown(AccountUnknown):
    pointer, constraints = "/from_account_id", "fk_transfers_from_account_id"


class ReceiverUnknown(AccountUnknown):
    pointer, constraints = "/to_account_id", "fk_transfers_to_account_id"


class MakerUnknown(Conflict):
    code, title, constraints = (
        "maker_unknown",
        "Your user does not exist",
        "fk_transfers_created_by",
    )


class AccountClosed(Conflict):
    code, title = "account_closed", "Account is closed"

    def __init__(self, *pointers: str) -> None:
        errors = [
            field_error(pointer=pointer, code=self.code, detail=self.title) for pointer in pointers
        ]
        super().__init__(errors=errors)


class CurrenciesDiffer(Conflict):
    code, title, pointer = (
        "currencies_differ",
        "Accounts have different currencies",
        "/to_account_id",
    )
    detail = "Choose two accounts of one currency; nothing is converted."


class SameAccount(Refused):
    code, title, pointer = "same_account", "Sender and receiver must differ", "/to_account_id"
    constraints = "ck_transfers_two_accounts"


class NotAnAmount(Refused):
    code, title, pointer = "amount", "Amount must be greater than 0.00", "/amount"
    constraints = "ck_transfers_amount"


class AlreadyReversed(Conflict):
    code, title = "already_reversed", "Transfer was reversed already"
    constraints = "uq_transfers_reverses_id"


class IsReversal(Conflict):
    code, title = "is_reversal", "Transfer is itself a reversal"
    detail = "Make a new transfer."
    constraints = "ck_transfers_reversal"


class TransferService(SqlService):
    """The owner of the sending account transfers; ``transfers:admin`` from every account."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._accounts, self._transfers = AccountRepository(context), TransferRepository(context)

    async def make(self, transfer: TransferCreate) -> TransferRead:
        """Move the money, or raise one of the errors above and change nothing."""
        locked = await self._accounts.lock(transfer.from_account_id, transfer.to_account_id)
        sender = locked.get(transfer.from_account_id)
        receiver = locked.get(transfer.to_account_id)
        if sender is None or not self._may_send_from(sender):
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
        """Send the same money back as a new transfer, once.

        Raises:
            NotYours: the caller does not own the account that received it.
        """
        original = await self._transfers.get(transfer_id)
        locked = await self._accounts.lock(original.from_account_id, original.to_account_id)
        sender, receiver = locked[original.to_account_id], locked[original.from_account_id]
        if not self._may_send_from(sender):
            raise NotYours
        if sender.closed_at is not None or receiver.closed_at is not None:
            raise AccountClosed
        values = original.model_dump(include={"amount", "currency", "description"})
        ends = {"from_account_id": sender.id, "to_account_id": receiver.id}
        return await self._book({**values, **ends, "reverses_id": transfer_id})

    async def _book(self, values: dict[str, Any]) -> TransferRead:
        """Insert the transfer and its two entries, whose trigger changes the balances."""
        values = {**values, "created_by": self._caller.user_id}
        statement = insert(Transfer).values(**values).returning(*Transfer.__table__.c)
        row = (await self._session.execute(statement)).one()
        ends = ((row.from_account_id, -row.amount), (row.to_account_id, row.amount))
        shared = {"transfer_id": row.id, "created_at": row.created_at}
        entries = [
            {"id": uuid7(), "account_id": account_id, "amount": amount, **shared}
            for account_id, amount in ends
        ]
        await self._session.execute(insert(Entry).values(entries))
        return read_transfer(row)

    def _may_send_from(self, account: LockedAccount) -> bool:
        is_own = account.owner_id == self._caller.user_id
        return is_own or self._caller.has_scope("transfers:admin")


TransferServiceDep = Annotated[TransferService, Depends(TransferService.from_request)]
