"""All products as a file, in the order of their ids, read in pages by sessions of their own."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.relational.catalog.file_format import Format, header, media_type, write_rows
from service.relational.catalog.repository import COLUMNS
from service.relational.catalog.schemas import ProductRead
from service.relational.catalog.tables import Product
from service.stores.sql.engine import SqlStoreDep
from service.web.context import provided

ROWS_AT_ONCE = 500


class ProductExport:
    def __init__(self, sql: SqlStoreDep) -> None:
        self._sql = sql

    async def answer(self, kind: Format) -> StreamingResponse:
        """The file; its first page is read before the answer begins, so that a refusal is one."""
        first = await self._page(None)
        return StreamingResponse(self._pages(first, kind), media_type=media_type(kind))

    async def _pages(self, products: list[ProductRead], kind: Format) -> AsyncIterator[bytes]:
        yield header(kind)
        while products:
            yield write_rows(products, kind)
            products = await self._page(products[-1].id)

    async def _page(self, after: UUID | None) -> list[ProductRead]:
        return await self._sql.run(partial(_read_page, after=after), writes=False)


async def _read_page(session: AsyncSession, after: UUID | None) -> list[ProductRead]:
    statement = select(*COLUMNS).where(Product.deleted_at.is_(None))
    if after is not None:
        statement = statement.where(Product.id > after)
    rows = await session.execute(statement.order_by(Product.id).limit(ROWS_AT_ONCE))
    return [ProductRead.model_validate(row) for row in rows]


Export = Annotated[ProductExport, provided(ProductExport)]
