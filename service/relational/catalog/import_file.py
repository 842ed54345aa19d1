"""Import of products from a file: each 200 records, or fewer long ones, are one transaction.

A transaction is reported as durable.

A product is identified by its sku: an unknown sku creates a product, a known one changes it where
the record has a value, and a deleted product is restored. So a file may be sent twice.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

import msgspec
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect
from typing_extensions import override

from service.core.errors import ServiceError, UnsupportedMedia, field_error, printable
from service.relational.catalog.categories import lock_categories
from service.relational.catalog.file_format import (
    FileType,
    ProductFile,
    ProductRow,
    read_type,
)
from service.relational.catalog.file_schemas import LoadFault, LoadLine
from service.relational.catalog.repository import CategoryUnknown
from service.relational.catalog.upsert import lock_skus_shared, upsert_products
from service.stores.sql.engine import SqlStore
from service.web.bodies.decompress import decompressed
from service.web.bodies.ndjson import LinesResponse, stopped
from service.web.schemas import changes

LINES_PER_TRANSACTION, BYTES_PER_TRANSACTION = 200, 2**20
MAX_IGNORED = 20  # columns that a response names
UNKNOWN_CATEGORY = field_error(
    pointer="/category_id", code=CategoryUnknown.code, detail="Category does not exist."
)


class ProductImport:
    """The import of one file: the lines that wait for their transaction, and the counts so far."""

    def __init__(self, request: Request, file_type: FileType) -> None:
        self._request, self._file = request, ProductFile(decompressed(request), file_type)
        self._store: SqlStore = request.state.sql
        self._progress = LoadLine()
        self._waiting: list[ProductRow] = []
        self._skus: set[str] = set()
        self._bytes = 0  # of the records that wait

    async def run(self) -> AsyncGenerator[bytes]:
        """Yield the lines of the response, one per transaction."""
        try:
            async for row in self._file.rows():
                # One statement changes no row twice.
                repeats = row.product is not None and row.product.sku.lower() in self._skus
                is_full = (
                    len(self._waiting) >= LINES_PER_TRANSACTION
                    or self._bytes >= BYTES_PER_TRANSACTION
                )
                if repeats or is_full:
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
        self._bytes += row.size
        if row.product is not None:
            self._skus.add(row.product.sku.lower())

    async def _commit(self) -> bytes:
        # Authenticated again, because the permission may have ended since the file began.
        state = self._request.state
        caller = await state.authenticator.authenticate(self._request, state.access)
        rows, self._waiting, self._skus, self._bytes = self._waiting, [], set(), 0

        async def work(session: AsyncSession) -> tuple[Counter[str], list[LoadFault]]:
            return await _upsert(session, rows, caller.user_id)

        progress = self._progress
        counts, progress.errors = (
            await self._store.run(work, writes=True) if rows else (Counter[str](), [])
        )
        progress.created += counts["created"]
        progress.updated += counts["updated"]
        progress.unchanged += counts["unchanged"]
        progress.rejected += len(progress.errors)
        progress.committed_through = rows[-1].line if rows else progress.committed_through
        progress.ignored_columns = [printable(name) for name in self._file.ignored[:MAX_IGNORED]]
        return msgspec.json.encode(progress) + b"\n"


async def _upsert(
    session: AsyncSession, rows: Sequence[ProductRow], user_id: UUID | None
) -> tuple[Counter[str], list[LoadFault]]:
    """Return how many products had each outcome, and the errors of the other records."""
    await lock_skus_shared(session)
    wanted = {row.line: changes(row.product) for row in rows if row.product}
    named = {line: values.get("category_id") for line, values in wanted.items()}
    known = await lock_categories(session, [key for key in named.values() if key is not None])
    errors = [LoadFault(row.line, row.errors) for row in rows if row.product is None]
    for line, category_id in named.items():
        if category_id is not None and category_id not in known:
            errors.append(LoadFault(line, [UNKNOWN_CATEGORY]))
            del wanted[line]
    results = await upsert_products(session, list(wanted.values()), user_id, skip_equal=True)
    counts = Counter[str]()
    for line, values in wanted.items():
        result = results[values["sku"].lower()]
        if isinstance(result, ServiceError):
            errors.append(LoadFault(line, result.errors))
        else:
            counts[result.outcome] += 1
    return counts, sorted(errors, key=lambda fault: fault.line)


class ProductImportResponse(LinesResponse):
    """Import the body and report while it is still being received.

    Raises:
        UnsupportedMedia: the content type is neither NDJSON nor CSV in a known charset; in the
            response, that the Content-Encoding is not supported.
    """

    def __init__(self, content_type: str) -> None:
        super().__init__()
        file_type = read_type(content_type)
        if file_type is None:
            raise UnsupportedMedia(
                "Send Content-Type: application/x-ndjson in UTF-8,"
                " or text/csv with a charset such as utf-8 or windows-1252."
            )
        self._type = file_type

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return ProductImport(request, self._type).run()
