"""Schemas of accounts, transfers and entries."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, ConfigDict, Field

from service.web.lists.pagination import ListQuery
from service.web.lists.values import BEFORE, FROM
from service.web.schemas import (
    Currency,
    Moment,
    Money,
    Name,
    RequestModel,
    ResponseModel,
    SignedMoney,
    StrictBool,
    Text,
    Time,
    Versioned,
)

Amount = Annotated[Money, Field(gt=0)]


class AccountCreate(RequestModel):
    """A new, empty account. Its currency never changes.

    It is the caller's own, unless one with ``accounts:admin`` names another owner; they alone let
    it be overdrawn, which is where the first money comes from.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Savings", "currency": "EUR"}})

    owner_id: UUID | None = None
    name: Name
    currency: Currency
    may_overdraw: StrictBool = False


class AccountUpdate(RequestModel):
    """A merge patch: an absent field is unchanged."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Holidays"}})

    name: Name | MISSING = MISSING


class AccountRead(Versioned):
    """``balance`` is the sum of the entries; ``version`` counts the other changes."""

    id: UUID
    owner_id: UUID
    name: str
    currency: str
    balance: SignedMoney
    may_overdraw: bool
    closed_at: Moment | None
    created_at: Moment
    updated_at: Moment

    def etag_value(self) -> str:
        return f"{self.version}.{self.balance}"


class AccountQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    owner_id: UUID | None = Field(None, description="accounts of this user")
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)


class EntryRead(ResponseModel):
    """The change of one account by a transfer: negative for the sender."""

    id: UUID
    transfer_id: UUID
    account_id: UUID
    amount: SignedMoney
    created_at: Moment


class EntryQuery(ListQuery):
    sort: Literal["created_at", "-created_at", "committed"] = "-created_at"
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)


class TransferCreate(RequestModel):
    """Money from an account of the caller to any open account of the same currency."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "from_account_id": "01930d6e-7a00-7000-8000-000000000001",
                "to_account_id": "01930d6e-7a00-7000-8000-000000000002",
                "amount": "12.50",
                "description": "Lunch",
            }
        }
    )

    from_account_id: UUID
    to_account_id: UUID
    amount: Amount
    description: Annotated[Text, Field(max_length=500)] = ""


class TransferRead(Versioned):
    """A transfer never changes; its version is 2 once it has been reversed."""

    id: UUID
    from_account_id: UUID
    to_account_id: UUID
    amount: SignedMoney
    currency: str
    description: str
    reverses_id: UUID | None
    reversed_by_id: UUID | None
    created_by: UUID
    created_at: Moment


class TransferQuery(ListQuery):
    sort: Literal["created_at", "-created_at", "committed"] = "-created_at"
    account_id: UUID | None = Field(None, description="transfers from or to this account")
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
