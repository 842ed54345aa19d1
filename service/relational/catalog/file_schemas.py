"""Schemas of files of products: their lines, and the response of an import."""

from typing import Literal, Self

from msgspec import Struct
from pydantic import MISSING, ConfigDict, Field, model_validator

from service.core.csv import Dialect
from service.core.errors import FieldError
from service.relational.catalog.schemas import EXAMPLE, ProductUpdate, Sku
from service.web.schemas import RequestModel, StrictInt


class ProductLine(ProductUpdate):
    """A product of a file: it is created, or changed where the line has a value.

    ``name``, ``price`` and ``currency`` are required of a new product. A ``version`` that the
    product no longer has rejects the line.
    """

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    sku: Sku
    version: StrictInt | MISSING = MISSING


class LoadFault(Struct):
    """The errors of one line of the file; lines are counted from 1."""

    line: int
    errors: list[FieldError]


class LoadLine(Struct):
    """All lines up to ``committed_through`` are durable; the counts are of all records so far.

    ``unchanged`` products were as the file has them. ``ignored_columns`` of a CSV name no field.
    """

    committed_through: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    errors: list[LoadFault] = []
    ignored_columns: list[str] = []


class ExportQuery(RequestModel):
    format: Literal["ndjson", "csv"] | None = Field(
        None, description="`ndjson`, unless there is a dialect"
    )
    dialect: Dialect | None = Field(
        None,
        description="of CSV; `excel`: semicolons, decimal commas and a byte order mark, for an"
        " Excel whose decimal sign is a comma",
    )

    @model_validator(mode="after")
    def _dialect_is_of_csv(self) -> Self:
        if self.dialect is not None and self.format == "ndjson":
            raise ValueError("dialect needs format=csv")
        return self
