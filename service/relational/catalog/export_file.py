"""Export of all products as a file, in the order of their ids.

Each page is read in a session of its own, so that nothing is open in the store between two pages.
"""

from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession
from typing_extensions import override

from service.core.csv import Dialect
from service.relational.catalog.file_format import Format, header, media_type, write_rows
from service.relational.catalog.file_schemas import ExportQuery
from service.relational.catalog.repository import ProductRepository, is_deleted
from service.relational.catalog.schemas import ProductRead
from service.relational.catalog.tables import Product
from service.stores.sql.context import SqlContext, SqlService
from service.stores.sql.engine import SqlStore
from service.web.permission_recheck import PermissionRecheck
from service.web.streaming import StreamedResponse

ROWS_PER_PAGE = 500


class ProductExportResponse(StreamedResponse):
    """A file; its first page is read before the response starts, so that an error has a status.

    A later error cuts the connection, so that a part is not taken for the whole file.
    """

    def __init__(
        self, store: SqlStore, file_format: Format, dialect: Dialect, permission: PermissionRecheck
    ) -> None:
        super().__init__(media_type(file_format))
        self._store, self._format, self._dialect = store, file_format, dialect
        self._permission = permission

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        head, last_id = header(self._format, self._dialect), None
        while products := await self._store.run(partial(_read_page, after=last_id), writes=False):
            yield head + write_rows(products, self._format, self._dialect)
            head, last_id = b"", products[-1].id
            await self._permission.check()
        if last_id is None:
            yield head


async def _read_page(session: AsyncSession, after: UUID | None) -> Sequence[ProductRead]:
    statement = ProductRepository.listing.select().where(is_deleted(False))
    if after is not None:
        statement = statement.where(Product.id > after)
    rows = await session.execute(statement.order_by(Product.id).limit(ROWS_PER_PAGE))
    return [ProductRead.model_validate(row) for row in rows]


class ProductExport(SqlService):
    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._permission = PermissionRecheck(context.request)

    def export(self, query: ExportQuery) -> ProductExportResponse:
        """Return the file as a response."""
        file_format: Format = query.format or ("csv" if query.dialect else "ndjson")
        dialect = query.dialect or "standard"
        store = self._context.store
        return ProductExportResponse(store, file_format, dialect, self._permission)


ProductExportDep = Annotated[ProductExport, Depends(ProductExport.from_request)]
