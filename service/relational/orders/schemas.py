"""Schemas of orders."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from service.web.lists.pagination import ListQuery
from service.web.lists.values import BEFORE, FROM, Others, Several
from service.web.schemas import (
    Moment,
    Money,
    RequestModel,
    ResponseModel,
    StrictInt,
    Sum,
    Time,
    Versioned,
)

MAX_LINES, MAX_QUANTITY = 100, 1_000_000
State = Literal["placed", "paid", "fulfilled", "cancelled"]


class OrderLineCreate(RequestModel):
    product_id: UUID
    quantity: Annotated[StrictInt, Field(ge=1, le=MAX_QUANTITY)]


class OrderCreate(RequestModel):
    """A new order of the caller; with ``orders:admin`` also of another user."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "lines": [{"product_id": "01930d6e-0000-7000-8000-000000000000", "quantity": 2}]
            }
        }
    )

    lines: Annotated[list[OrderLineCreate], Field(min_length=1, max_length=MAX_LINES)]
    user_id: UUID | None = None


class OrderLineRead(ResponseModel):
    """A line with the name and price at the time of the order."""

    product_id: UUID
    sku: str
    name: str
    quantity: int
    price: Money
    amount: Sum


class OrderRead(Versioned):
    id: UUID
    user_id: UUID
    state: State
    currency: str
    total: Sum
    lines: list[OrderLineRead]
    created_at: Moment
    updated_at: Moment
    paid_at: Moment | None
    fulfilled_at: Moment | None
    cancelled_at: Moment | None


class OrderQuery(ListQuery):
    sort: Literal["created_at", "-created_at", "committed"] = "-created_at"
    user_id: UUID | None = Field(None, description="orders of this user")
    state: State | None = Field(None, description="this state")
    state__in: Several[State] | None = None
    state__ne: Annotated[tuple[State, ...], Others(State)] | None = Field(
        None, description="any other state"
    )
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
