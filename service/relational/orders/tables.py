"""Tables of orders and their lines."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Numeric,
    SmallInteger,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.stores.sql.base import Base, Followed, VersionedTable


class Order(Followed, VersionedTable):
    """An order and its state."""

    __tablename__ = "orders"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", name="fk_orders_user_id"))
    state: Mapped[str] = mapped_column(String(20))
    currency: Mapped[str] = mapped_column(String(3))
    total: Mapped[Decimal] = mapped_column(Numeric(24, 2))
    paid_at: Mapped[datetime | None]
    fulfilled_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]

    lines: Mapped[list["OrderLine"]] = relationship(
        back_populates="order", order_by="OrderLine.place", lazy="raise"
    )

    __table_args__ = (
        CheckConstraint("state IN ('placed', 'paid', 'fulfilled', 'cancelled')", name="state"),
        CheckConstraint(
            "(state = 'cancelled') = (cancelled_at IS NOT NULL)"
            " AND (state = 'fulfilled') = (fulfilled_at IS NOT NULL)"
            " AND (state NOT IN ('paid', 'fulfilled') OR paid_at IS NOT NULL)",
            name="steps",
        ),
        CheckConstraint("total >= 0", name="total"),
        Index("ix_orders_created_at_id", "created_at", "id"),
        Index("ix_orders_created_xid_id", "created_xid", "id"),
        Index("ix_orders_user_id", "user_id", "created_at", "id"),
        Index("ix_orders_paid_at", "paid_at", postgresql_where=text("paid_at IS NOT NULL")),
        Index("ix_orders_state", "state", "created_at", "id"),
    )


class OrderLine(Base):
    """A quantity of one product, with its sku, name and price at the time of the order."""

    __tablename__ = "order_lines"

    order_id: Mapped[UUID] = mapped_column(
        ForeignKey("orders.id", name="fk_order_lines_order_id"), primary_key=True
    )
    place: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("products.id", name="fk_order_lines_product_id")
    )
    sku: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[int] = mapped_column(BigInteger)
    price: Mapped[Decimal] = mapped_column(Numeric(14, 2))

    order: Mapped[Order] = relationship(back_populates="lines", lazy="raise")

    @property
    def amount(self) -> Decimal:
        return self.price * self.quantity

    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        Index("ix_order_lines_product_id", "product_id"),
    )
