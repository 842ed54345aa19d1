"""Reports in PostgreSQL: one or two statements each, in one snapshot."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import ColumnElement, Date, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from service.relational.catalog.tables import Category, Product
from service.relational.orders.tables import Order, OrderLine
from service.relational.posts.tables import Comment, Post
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
from service.relational.users.queries import is_deleted
from service.relational.users.tables import TOMBSTONE_ID, User
from service.stores.sql.context import SqlService


class ReportRepository(SqlService):
    """Its routes are of class ReportRoute, so that the session is the reporting one."""

    async def sales(self, period: Period) -> PeriodReport[Sale]:
        """Return the orders that were paid and not cancelled, by day and category."""
        day, since, until = _day(Order.paid_at), *period.bounds()
        statement = (
            select(
                day.label("day"),
                Product.category_id,
                Category.name.label("category"),
                Order.currency,
                func.count(Order.id.distinct()).label("orders"),
                func.sum(OrderLine.quantity).label("quantity"),
                func.sum(OrderLine.quantity * OrderLine.price).label("amount"),
            )
            .join(OrderLine, OrderLine.order_id == Order.id)
            .join(Product, Product.id == OrderLine.product_id)
            .outerjoin(Category, Category.id == Product.category_id)
            .where(Order.paid_at >= since, Order.paid_at < until, Order.state != "cancelled")
            .group_by(day, Product.category_id, Category.name, Order.currency)
            .order_by(day, Category.name.nulls_last(), Product.category_id, Order.currency)
        )
        rows = await self._session.execute(statement)
        return await self._report(period, [Sale.model_validate(row) for row in rows])

    async def top_authors(self, period: TopPeriod) -> PeriodReport[TopAuthor]:
        """Return the authors of the published posts that were seen most; no deleted users."""
        since, until = period.bounds()
        by_author = (
            select(
                Post.author_id,
                func.count().label("posts"),
                func.sum(Post.views).label("views"),
                func.sum(_comments()).label("comments"),
            )
            .where(Post.published, Post.published_at >= since, Post.published_at < until)
            .group_by(Post.author_id)
            .subquery()
        )
        statement = (
            select(by_author, User.username)
            .join(User, (User.id == by_author.c.author_id) & is_deleted(False))
            .order_by(by_author.c.views.desc(), by_author.c.posts.desc(), by_author.c.author_id)
            .limit(period.limit)
        )
        rows = await self._session.execute(statement)
        return await self._report(period, [TopAuthor.model_validate(row) for row in rows])

    async def stock_value(self) -> Report[StockValue]:
        statement = (
            select(
                Product.category_id,
                Category.name.label("category"),
                Product.currency,
                func.count().label("products"),
                func.sum(Product.stock).label("units"),
                func.sum(Product.stock * Product.price).label("value"),
            )
            .outerjoin(Category, Category.id == Product.category_id)
            .where(Product.deleted_at.is_(None))
            .group_by(Product.category_id, Category.name, Product.currency)
            .order_by(Category.name.nulls_last(), Product.category_id, Product.currency)
        )
        rows = await self._session.execute(statement)
        items = [StockValue.model_validate(row) for row in rows]
        return Report(as_of=await self._as_of(), items=items)

    async def user_growth(self, period: Period) -> PeriodReport[Growth]:
        day, since, until = _day(User.created_at), *period.bounds()
        before = await self._session.scalar(
            select(func.count()).where(User.created_at < since, User.id != TOMBSTONE_ID)
        )
        statement = (
            select(day.label("day"), func.count().label("new"))
            .where(User.created_at >= since, User.created_at < until, User.id != TOMBSTONE_ID)
            .group_by(day)
            .order_by(day)
        )
        total, items = before or 0, []
        for row in await self._session.execute(statement):
            total += row.new
            items.append(Growth(day=row.day, new=row.new, total=total))
        return await self._report(period, items)

    async def _report(self, period: Period, items: list[Any]) -> PeriodReport[Any]:
        since, until = period.bounds()
        as_of = await self._as_of()
        return PeriodReport(as_of=as_of, since=since, until=until, items=items)

    async def _as_of(self) -> datetime:
        return (await self._session.execute(select(func.now()))).scalar_one()


def _day(moment: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    return cast(func.timezone("UTC", moment), Date)


def _comments() -> ColumnElement[int]:
    counted = select(func.count()).where(Comment.post_id == Post.id)
    return counted.correlate(Post).scalar_subquery()


Reports = Annotated[ReportRepository, Depends(ReportRepository.from_request)]
