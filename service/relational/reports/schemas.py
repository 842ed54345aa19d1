"""What travels about reports."""

from datetime import UTC, date, datetime, timedelta
from typing import Generic, Self, TypeVar
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from service.web.schemas import Moment, RequestModel, ResponseModel, Sum, Time

T = TypeVar("T")
LONGEST_DAYS, USUAL_DAYS = 366, 30


class Period(RequestModel):
    """From ``from`` up to and without ``to``; the last 30 days, if neither is given."""

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
        """Both ends, with what was not given filled in."""
        until = self.until or datetime.now(UTC)
        return self.since or until - timedelta(days=USUAL_DAYS), until


class TopPeriod(Period):
    limit: int = Field(10, ge=1, le=100)


class Report(ResponseModel, Generic[T]):
    """Rows of one snapshot; ``as_of`` is when it was taken, by the clock of the server."""

    as_of: Moment
    items: list[T]


class PeriodReport(Report[T], Generic[T]):
    since: Moment = Field(serialization_alias="from")
    until: Moment = Field(serialization_alias="to")


class Sale(ResponseModel):
    """What was paid on a day (UTC) for the products of a category as it is now."""

    day: date
    category_id: UUID | None
    category: str | None
    currency: str
    orders: int
    quantity: int
    amount: Sum


class TopAuthor(ResponseModel):
    """An author of posts that were published in the period, those most seen first."""

    author_id: UUID
    username: str
    posts: int
    views: int
    comments: int


class StockValue(ResponseModel):
    """What is in stock of the products right in a category."""

    category_id: UUID | None
    category: str | None
    currency: str
    products: int
    units: int
    value: Sum


class Growth(ResponseModel):
    """Users who came on a day (UTC), and how many there were after it, deleted ones included."""

    day: date
    new: int
    total: int
