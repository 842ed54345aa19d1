"""Tables of the catalog: categories, products and movements of their stock."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Numeric,
    String,
    func,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.stores.sql.base import Followed, IdTable, VersionedTable, search_vector


class Category(VersionedTable):
    """A node of the tree; a trigger in its migration rejects circles."""

    __tablename__ = "categories"

    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(5000), server_default="")
    parent_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("categories.id", name="fk_categories_parent_id")
    )

    parent: Mapped["Category | None"] = relationship(remote_side=lambda: Category.id, lazy="raise")

    __table_args__ = (
        Index(
            "uq_categories_name",
            "parent_id",
            func.fold_name(name),
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        Index("ix_categories_created_at_id", "created_at", "id"),
        Index("ix_categories_name_id", "name", "id"),
        Index("ix_categories_parent_id", "parent_id", "created_at", "id"),
    )


class Product(Followed, VersionedTable):
    """An article for sale, its price and its stock."""

    __tablename__ = "products"

    sku: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    description: Mapped[str] = mapped_column(String(5000), server_default="")
    price: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    currency: Mapped[str] = mapped_column(String(3))
    stock: Mapped[int] = mapped_column(BigInteger, server_default="0")
    category_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("categories.id", name="fk_products_category_id")
    )
    deleted_at: Mapped[datetime | None]
    search: Mapped[Any] = search_vector()

    category: Mapped[Category | None] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("stock >= 0", name="stock"),
        CheckConstraint("price >= 0", name="price"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        Index("uq_products_sku", func.lower(sku), unique=True),
        Index("ix_products_created_at_id", "created_at", "id"),
        Index("ix_products_created_xid_id", "created_xid", "id"),
        Index("ix_products_name_id", "name", "id"),
        Index("ix_products_price_id", "price", "id"),
        Index("ix_products_category_id", "category_id", "created_at", "id"),
        Index("ix_products_in_stock", "created_at", "id", postgresql_where=text("stock > 0")),
        Index("ix_products_out_of_stock", "created_at", "id", postgresql_where=text("stock = 0")),
        Index("ix_products_currency", "currency", "created_at", "id"),
        Index(
            "ix_products_deleted",
            "created_at",
            "id",
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        Index("ix_products_search", "search", postgresql_using="gin"),
    )


class StockMovement(IdTable):
    """One change of a product's stock, and the stock after it."""

    __tablename__ = "stock_movements"

    product_id: Mapped[UUID] = mapped_column(
        ForeignKey("products.id", name="fk_stock_movements_product_id")
    )
    change: Mapped[int] = mapped_column(BigInteger)
    stock_after: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(String(20))
    note: Mapped[str | None] = mapped_column(String(500))
    order_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    # Not now(), because movements of a product are sorted in the order in which its row was locked.
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())

    product: Mapped[Product] = relationship(lazy="raise")

    __table_args__ = (
        CheckConstraint("change <> 0", name="change"),
        CheckConstraint("stock_after >= 0", name="stock_after"),
        Index("ix_stock_movements_product_id", "product_id", "created_at", "id"),
        Index(
            "ix_stock_movements_user_id", "user_id", postgresql_where=text("user_id IS NOT NULL")
        ),
    )
