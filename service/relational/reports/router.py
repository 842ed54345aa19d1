"""Routes of reports."""

from typing import Annotated

from fastapi import APIRouter, Query

from service.auth.caller import needs
from service.relational.reports.repository import Reports
from service.relational.reports.schemas import (
    Growth,
    Period,
    PeriodReport,
    Report,
    Sale,
    StockValue,
    TopAuthor,
    TopPeriod,
)
from service.stores.sql.route import ReportRoute
from service.web.openapi import problems

router = APIRouter(
    prefix="/reports",
    tags=["reports"],
    route_class=ReportRoute,
    dependencies=[needs("reports:read")],
)


@router.get("/sales", responses=problems())
async def reports_sales(period: Annotated[Period, Query()], reports: Reports) -> PeriodReport[Sale]:
    """Return payments by day, category and currency."""
    return await reports.sales(period)


@router.get("/top_authors", responses=problems())
async def reports_top_authors(
    period: Annotated[TopPeriod, Query()], reports: Reports
) -> PeriodReport[TopAuthor]:
    """Return the authors of the most viewed posts."""
    return await reports.top_authors(period)


@router.get("/stock_value", responses=problems())
async def reports_stock_value(reports: Reports) -> Report[StockValue]:
    """Return the value of the stock by category and currency."""
    return await reports.stock_value()


@router.get("/user_growth", responses=problems())
async def reports_user_growth(
    period: Annotated[Period, Query()], reports: Reports
) -> PeriodReport[Growth]:
    """Return new users and all users by day."""
    return await reports.user_growth(period)
