"""Import of products from a file: each 200 lines are one transaction, then reported as durable.

A product is identified by its sku: an unknown sku creates a product, a known one changes it, and a
deleted product is restored. So a file may be sent twice.
"""

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

import msgspec
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect
from typing_extensions import override

from service.core.errors import ServiceError, UnsupportedMedia, field_error
from service.relational.catalog.categories import lock_categories
from service.relational.catalog.file_format import (
    MAX_RECORD_BYTES,
    Format,
    ProductRow,
    format_of,
    read_rows,
)
from service.relational.catalog.repository import CategoryUnknown
from service.relational.catalog.schemas import LoadFault, LoadLine
from service.relational.catalog.upsert import lock_skus_shared, upsert_products
from service.stores.sql.engine import SqlStore
from service.web.ndjson import LinesResponse, lines_of, stopped

LINES_PER_TRANSACTION = 200
UNKNOWN_CATEGORY = field_error(
    pointer="/category_id", code=CategoryUnknown.code, detail="Category does not exist."
)


class ProductImport:
    """The import of one file: the lines that wait for their transaction, and the counts so far."""

    def __init__(self, request: Request, file_format: Format) -> None:
        self._request, self._format = request, file_format
        self._store: SqlStore = request.state.sql
        self._progress = LoadLine(0, 0, 0, 0, [])
        self._waiting: list[ProductRow] = []
        self._skus: set[str] = set()

    async def run(self) -> AsyncGenerator[bytes]:
        """Yield the lines of the response, one per transaction."""
        lines = lines_of(self._request.stream(), MAX_RECORD_BYTES)
        try:
            async for row in read_rows(lines, self._format):
                # One statement changes no row twice.
                repeats = row.product is not None and row.product.sku.lower() in self._skus
                if repeats or len(self._waiting) >= LINES_PER_TRANSACTION:
                    yield await self._commit()
                self._add(row)
            if self._waiting or not self._progress.committed_through:
                yield await self._commit()
        except ClientDisconnect:
            pass  # the reported lines are durable; of the others nothing is stored
        except ServiceError as error:
            if not self._progress.committed_through:
                raise
            yield stopped(self._progress.committed_through, error)

    def _add(self, row: ProductRow) -> None:
        self._waiting.append(row)
        if row.product is not None:
            self._skus.add(row.product.sku.lower())

    async def _commit(self) -> bytes:
        # Authenticated again, because the permission may have ended since the file began.
        state = self._request.state
        caller = await state.authenticator.authenticate(self._request, state.access)
        rows, self._waiting, self._skus = self._waiting, [], set()

        async def work(session: AsyncSession) -> tuple[int, int, list[LoadFault]]:
            return await _upsert(session, rows, caller.user_id)

        created, updated, errors = await self._store.run(work, writes=True) if rows else (0, 0, [])
        progress = self._progress
        progress.created, progress.updated = progress.created + created, progress.updated + updated
        progress.rejected += len(errors)
        progress.committed_through = rows[-1].line if rows else progress.committed_through
        progress.errors = errors
        return msgspec.json.encode(progress) + b"\n"


async def _upsert(
    session: AsyncSession, rows: Sequence[ProductRow], user_id: UUID | None
) -> tuple[int, int, list[LoadFault]]:
    """Return how many products were created and changed, and the errors of the other lines."""
    await lock_skus_shared(session)
    known = await lock_categories(
        session,
        [row.product.category_id for row in rows if row.product and row.product.category_id],
    )
    errors, valid = [], []
    for row in rows:
        if row.product is None:
            errors.append(LoadFault(row.line, row.errors))
        elif row.product.category_id is not None and row.product.category_id not in known:
            errors.append(LoadFault(row.line, [UNKNOWN_CATEGORY]))
        else:
            valid.append(row.product)
    results = await upsert_products(session, valid, user_id)
    created = sum(result.created for result in results.values())
    return created, len(results) - created, errors


class ProductImportResponse(LinesResponse):
    """Import the body and report while it is still being received.

    Raises:
        UnsupportedMedia: the content type is neither NDJSON nor CSV.
    """

    def __init__(self, content_type: str) -> None:
        super().__init__()
        file_format = format_of(content_type)
        if file_format is None:
            raise UnsupportedMedia("Send Content-Type: application/x-ndjson or text/csv.")
        self._format = file_format

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return ProductImport(request, self._format).run()
