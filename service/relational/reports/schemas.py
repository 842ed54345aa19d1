"""Schemas of reports."""

from datetime import UTC, date, datetime, timedelta
from typing import Generic, Self, TypeVar
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from service.web.schemas import Moment, RequestModel, ResponseModel, Sum, Time

T = TypeVar("T")
LONGEST_DAYS, USUAL_DAYS = 366, 30


class Period(RequestModel):
    """A period from ``from`` up to, without, ``to``; by default the last 30 days."""

    model_config = ConfigDict(populate_by_name=True)

    since: Time | None = Field(None, alias="from", description="30 days before `to`")
    until: Time | None = Field(None, alias="to", description="now")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        since, until = self.bounds()
        if not since < until:
            raise ValueError("ends before it begins: from must lie before to")
        if until - since > timedelta(days=LONGEST_DAYS):
            raise ValueError(f"is longer than {LONGEST_DAYS} days")
        return self

    def bounds(self) -> tuple[datetime, datetime]:
        """Return both ends, with the defaults filled in."""
        until = self.until or datetime.now(UTC)
        return self.since or until - timedelta(days=USUAL_DAYS), until


class TopPeriod(Period):
    limit: int = Field(10, ge=1, le=100)


class Report(ResponseModel, Generic[T]):
    """Rows of one snapshot, taken at ``as_of`` by the server's clock."""

    as_of: Moment
    items: list[T]


class PeriodReport(Report[T], Generic[T]):
    since: Moment = Field(serialization_alias="from")
    until: Moment = Field(serialization_alias="to")


class Sale(ResponseModel):
    """Payments of a day (UTC) for the products of a category as it is now."""

    day: date
    category_id: UUID | None
    category: str | None
    currency: str
    orders: int
    quantity: int
    amount: Sum


class TopAuthor(ResponseModel):
    """An author of posts that were published in the period; most views first."""

    author_id: UUID
    username: str
    posts: int
    views: int
    comments: int


class StockValue(ResponseModel):
    """The stock of the products directly in a category."""

    category_id: UUID | None
    category: str | None
    currency: str
    products: int
    units: int
    value: Sum


class Growth(ResponseModel):
    """New users of a day (UTC), and all users after it, deleted ones included."""

    day: date
    new: int
    total: int
