"""Schemas of categories, products and movements of their stock."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID
from zlib import crc32

from pydantic import MISSING, ConfigDict, Field, JsonValue

from service.web.bulk import Items
from service.web.lists.pagination import ListQuery, OffsetQuery
from service.web.lists.sorting import Sorting
from service.web.lists.values import BEFORE, FROM, WITHOUT, FilterText, Several
from service.web.schemas import (
    EXAMPLE_ID,
    Currency,
    Moment,
    Money,
    Name,
    RequestModel,
    ResponseModel,
    Search,
    StrictInt,
    Text,
    Time,
    Versioned,
)

MAX_STOCK = 1_000_000_000
Sku = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Description = Annotated[Text, Field(max_length=5000)]
Stock = Annotated[StrictInt, Field(ge=0, le=MAX_STOCK)]
Reason = Literal["initial", "received", "returned", "damaged", "counted", "ordered", "cancelled"]


class CategoryCreate(RequestModel):
    """A new category, at the top of the tree or below another."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "Coffee machines"}})

    name: Name
    description: Description = ""
    parent_id: UUID | None = None


class CategoryUpdate(RequestModel):
    """A merge patch: an absent field is unchanged; a ``parent_id`` of null moves it to the top."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"description": "For beans, not for capsules."}}
    )

    name: Name | MISSING = MISSING
    description: Description | MISSING = MISSING
    parent_id: UUID | None | MISSING = MISSING


class CategoryRead(Versioned):
    id: UUID
    name: str
    description: str
    parent_id: UUID | None
    created_at: Moment
    updated_at: Moment


class CategoryQuery(OffsetQuery):
    sort: Annotated[str, Sorting("name", "created_at")] = "name"
    name: FilterText | None = Field(None, description="the whole name, as it is written")
    parent_id: UUID | None = Field(None, description="only its direct subcategories")
    parent_id__null: bool | None = Field(
        None, description="`true`: those at the top; `false`: those below another"
    )


EXAMPLE: dict[str, JsonValue] = {
    "sku": "ESP-1450",
    "name": "Espresso machine",
    "price": "249.00",
    "currency": "EUR",
    "stock": 60,
}


class ProductCreate(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    sku: Sku
    name: Name
    description: Description = ""
    price: Money
    currency: Currency
    stock: Stock = 0
    category_id: UUID | None = None


class ProductUpdate(RequestModel):
    """A merge patch: an absent field is unchanged; a new ``stock`` is recorded as a count."""

    model_config = ConfigDict(json_schema_extra={"example": {"price": "239.00", "stock": 58}})

    sku: Sku | MISSING = MISSING
    name: Name | MISSING = MISSING
    description: Description | MISSING = MISSING
    price: Money | MISSING = MISSING
    currency: Currency | MISSING = MISSING
    stock: Stock | MISSING = MISSING
    category_id: UUID | None | MISSING = MISSING


class CategoryBrief(ResponseModel):
    """A category nested in a product."""

    id: UUID
    name: str


class ProductRead(Versioned):
    id: UUID
    sku: str
    name: str
    description: str
    price: Money
    currency: str
    stock: int
    category_id: UUID | None
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None
    category: CategoryBrief | None | MISSING = MISSING

    def etag_value(self) -> str:
        nested = self.model_dump_json(include={"category"})
        return super().etag_value() + ("" if nested == "{}" else f".{crc32(nested.encode()):x}")


class ProductPatch(ProductUpdate):
    """A merge patch of one product, if it still has the ``version``."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"id": EXAMPLE_ID, "price": "239.00", "version": 1}}
    )

    id: UUID
    version: StrictInt | MISSING = MISSING


class ProductsCreate(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE]}})

    items: Items[ProductCreate]


class ProductsUpdate(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"items": [{"id": EXAMPLE_ID, "price": "239.00", "version": 1}]}
        }
    )

    items: Items[ProductPatch]


class ProductsDelete(RequestModel):
    """The ids of the products to delete."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE_ID]}})

    items: Items[UUID]


class ProductsRead(ResponseModel):
    """The products that a bulk request created or changed, in the order of the request."""

    items: Sequence[ProductRead]


class ProductExpand(RequestModel):
    expand: Literal["category"] | None = Field(None, description="`category` nests the category")


class ProductQuery(OffsetQuery):
    sort: Annotated[str, Sorting("created_at", "name", "price", committed=True)] = "-created_at"
    q: Search | None = Field(
        None,
        description="parts of words of sku or name, and beginnings of words of description",
    )
    sku: FilterText | None = Field(None, description="the whole sku, in any case")
    sku__in: Several[FilterText] | None = None
    name: FilterText | None = Field(None, description="the whole name, as it is written")
    category_id: UUID | None = Field(None, description="includes all categories below it")
    category_id__null: bool | None = Field(None, description=WITHOUT)
    price__gte: Money | None = Field(None, description="at least this price")
    price__lte: Money | None = Field(None, description="at most this price")
    in_stock: bool | None = Field(
        None, description="`true`: only products in stock; `false`: only products without stock"
    )
    currency: Currency | None = None
    currency__in: Several[Currency] | None = None
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
    deleted: bool = Field(False, description="list the deleted products instead")
    expand: Literal["category"] | None = Field(None, description="`category` nests the category")


class StockAdjust(RequestModel):
    """A change of stock: positive adds to it, negative takes from it."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"change": -2, "reason": "damaged", "note": "dropped"}}
    )

    change: Annotated[StrictInt, Field(ge=-MAX_STOCK, le=MAX_STOCK)]
    reason: Literal["received", "returned", "damaged", "counted"]
    note: Annotated[Text, Field(max_length=500)] | None = None


class MovementRead(ResponseModel):
    """One change of stock; ``order_id`` is set if an order caused it."""

    id: UUID
    product_id: UUID
    change: int
    stock_after: int
    reason: Reason
    note: str | None
    order_id: UUID | None
    user_id: UUID | None
    created_at: Moment


class MovementQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
