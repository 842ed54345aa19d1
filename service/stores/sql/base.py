"""Base classes of all tables: naming of constraints, ids, versions and times."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    MetaData,
    Text,
    Uuid,
    cast,
    func,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType
from uuid_utils.compat import uuid7

# Milliseconds, as in MongoDB and on the wire: what is stored is what is shown.
Timestamp = TIMESTAMP(timezone=True, precision=3)


class Xid8(UserDefinedType[int]):
    """The id of a transaction, of 64 bits; it travels as an integer, for the driver knows none."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "xid8"

    def bind_expression(self, bindvalue: BindParameter[int]) -> ColumnElement[int]:
        return cast(cast(type_coerce(bindvalue, BigInteger), Text), self)

    def column_expression(self, colexpr: ColumnElement[int]) -> ColumnElement[int]:
        return cast(cast(colexpr, Text), BigInteger)


class Base(DeclarativeBase):
    """The base of all tables: names of constraints, and times in UTC with milliseconds."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {datetime: Timestamp, UUID: Uuid()}


class IdTable(Base):
    """A table with an id, for rows that never change."""

    __abstract__ = True

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7, sort_order=-10)


class VersionedTable(IdTable):
    """A table with an id, a version, and the times of creation and last change."""

    __abstract__ = True

    version: Mapped[int] = mapped_column(BigInteger, server_default="1", sort_order=90)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=91)
    updated_at: Mapped[datetime] = mapped_column(
        server_default=func.now(), onupdate=func.now(), sort_order=92
    )


class Followed:
    """Mixin of tables whose lists are followed, with the transaction that inserted the row.

    No update changes it. Rows from before the column have 0.
    """

    committed: Mapped[int] = mapped_column(
        "created_xid", Xid8, server_default=func.pg_current_xact_id(), sort_order=93
    )


def search_vector() -> Any:
    """Return a tsvector column, which a trigger of its migration fills; index it with GIN."""
    return mapped_column(TSVECTOR, sort_order=99, deferred=True)
