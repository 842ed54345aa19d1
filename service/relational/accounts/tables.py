"""Tables of accounts, transfers and entries.

The triggers that keep them consistent are in the migration ``start_the_ledger``.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.relational.users.tables import User
from service.stores.sql.base import Followed, IdTable, VersionedTable

Amount = Numeric(18, 2)


class Account(VersionedTable):
    """Money of one owner in one currency. Only the trigger of the entries writes its balance."""

    __tablename__ = "accounts"

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="fk_accounts_owner_id"))
    name: Mapped[str] = mapped_column(String(200))
    currency: Mapped[str] = mapped_column(String(3))
    balance: Mapped[Decimal] = mapped_column(Amount, server_default=text("0"))
    may_overdraw: Mapped[bool] = mapped_column(server_default=text("false"))
    closed_at: Mapped[datetime | None]
    owner: Mapped[User] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("balance >= 0 OR may_overdraw", name="overdraft"),
        # No entry is 0, so that this keeps entries out of a closed account too.
        CheckConstraint("closed_at IS NULL OR balance = 0", name="closed_is_empty"),
        # Transfers refer to it, so that their currency is that of both accounts.
        Index("uq_accounts_id_currency", "id", "currency", unique=True),
        Index("ix_accounts_created_at_id", "created_at", "id"),
        Index("ix_accounts_owner_id", "owner_id", "created_at", "id"),
    )


class Transfer(Followed, IdTable):
    """Money that moved from one account to another."""

    __tablename__ = "transfers"

    from_account_id: Mapped[UUID]
    to_account_id: Mapped[UUID]
    amount: Mapped[Decimal] = mapped_column(Amount)
    currency: Mapped[str] = mapped_column(String(3))
    description: Mapped[str] = mapped_column(String(500))
    reverses_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("transfers.id", name="fk_transfers_reverses_id")
    )
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="fk_transfers_created_by"))
    # Not now(), the start of the transaction, which may have waited for another to end.
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    entries: Mapped[list["Entry"]] = relationship(lazy="raise", back_populates="transfer")

    __table_args__ = (
        ForeignKeyConstraint(
            ["from_account_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name="fk_transfers_from_account_id",
        ),
        ForeignKeyConstraint(
            ["to_account_id", "currency"],
            ["accounts.id", "accounts.currency"],
            name="fk_transfers_to_account_id",
        ),
        # PostgreSQL takes NaN for greater than any number.
        CheckConstraint("amount > 0 AND amount < 'NaN'", name="amount"),
        CheckConstraint("from_account_id <> to_account_id", name="two_accounts"),
        Index(
            "uq_transfers_reverses_id",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
        Index("ix_transfers_created_at_id", "created_at", "id"),
        Index("ix_transfers_created_by", "created_by"),
        Index("ix_transfers_created_xid_id", "created_xid", "id"),
    )


class Entry(Followed, IdTable):
    """The change of one of a transfer's two accounts, at the time of the transfer.

    Entries also find the transfers of an account, in order and on either side.
    """

    __tablename__ = "entries"

    transfer_id: Mapped[UUID] = mapped_column(
        ForeignKey("transfers.id", name="fk_entries_transfer_id")
    )
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("accounts.id", name="fk_entries_account_id")
    )
    amount: Mapped[Decimal] = mapped_column(Amount)
    created_at: Mapped[datetime]
    transfer: Mapped[Transfer] = relationship(lazy="raise", back_populates="entries")
    account: Mapped[Account] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("amount <> 0", name="amount"),
        Index("uq_entries_transfer_id", "transfer_id", "account_id", unique=True),
        Index("ix_entries_account_id", "account_id", "created_at", "id"),
        Index("ix_entries_account_id_created_xid", "account_id", "created_xid", "id"),
    )
