"""Loading products from a file: some hundred lines are one transaction, and then told as durable.

A product is known by its sku: there is none, and it is made; there is one, and it becomes what the
line says, a deleted one too. Sending a file twice does no harm.
"""

from collections.abc import AsyncGenerator, Sequence
from uuid import UUID

import msgspec
from fastapi import Request
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect
from typing_extensions import override

from service.core.errors import FieldError, ServiceError, UnsupportedMedia
from service.relational.catalog.categories import hold_categories
from service.relational.catalog.file_format import LONGEST_RECORD, Format, Row, format_of, read_rows
from service.relational.catalog.upsert import put_products, share_skus
from service.stores.sql.engine import SqlStore
from service.web.ndjson import LinesAnswer, lines_of, stopped

LINES_AT_ONCE = 200
UNKNOWN = FieldError(
    pointer="/category_id", code="category_unknown", detail="There is no such category."
)


class LoadError(Struct):
    line: int
    errors: list[FieldError]


class Loaded(Struct):
    """See :class:`LoadLine`."""

    committed_through: int
    created: int
    updated: int
    rejected: int
    errors: list[LoadError]


class Load:
    """One file: what has come in, and what has become of it."""

    def __init__(self, request: Request, kind: Format) -> None:
        self._request, self._kind = request, kind
        self._sql: SqlStore = request.state.sql
        self._told = Loaded(0, 0, 0, 0, [])
        self._waiting: list[Row] = []
        self._skus: set[str] = set()

    async def run(self) -> AsyncGenerator[bytes]:
        """The lines of the answer."""
        lines = lines_of(self._request.stream(), LONGEST_RECORD)
        try:
            async for row in read_rows(lines, self._kind):
                # One statement changes no row twice.
                again = row.product is not None and row.product.sku.lower() in self._skus
                if again or len(self._waiting) >= LINES_AT_ONCE:
                    yield await self._commit()
                self._take(row)
            if self._waiting or not self._told.committed_through:
                yield await self._commit()
        except ClientDisconnect:
            pass  # what was told is done; of the rest nothing is
        except ServiceError as refusal:
            if not self._told.committed_through:
                raise
            yield stopped(self._told.committed_through, refusal)

    def _take(self, row: Row) -> None:
        self._waiting.append(row)
        if row.product is not None:
            self._skus.add(row.product.sku.lower())

    async def _commit(self) -> bytes:
        # Who may change products may have changed since the file began.
        state = self._request.state
        caller = await state.authenticator.authenticate(self._request, state.access)
        rows, self._waiting, self._skus = self._waiting, [], set()

        async def work(session: AsyncSession) -> tuple[int, int, list[LoadError]]:
            return await _put(session, rows, caller.user_id)

        created, updated, errors = await self._sql.run(work, writes=True) if rows else (0, 0, [])
        told = self._told
        told.created, told.updated = told.created + created, told.updated + updated
        told.rejected += len(errors)
        told.committed_through = rows[-1].line if rows else told.committed_through
        told.errors = errors
        return msgspec.json.encode(told) + b"\n"


async def _put(
    session: AsyncSession, rows: Sequence[Row], user_id: UUID | None
) -> tuple[int, int, list[LoadError]]:
    """How many were made and changed, and what is wrong with the rest."""
    await share_skus(session)
    known = await hold_categories(
        session,
        [row.product.category_id for row in rows if row.product and row.product.category_id],
    )
    errors, good = [], []
    for row in rows:
        if row.product is None:
            errors.append(LoadError(row.line, row.errors))
        elif row.product.category_id is not None and row.product.category_id not in known:
            errors.append(LoadError(row.line, [UNKNOWN]))
        else:
            good.append(row.product)
    put = await put_products(session, good, user_id)
    made = sum(each.made for each in put.values())
    return made, len(put) - made, errors


class LoadAnswer(LinesAnswer):
    """Loads what comes, as :class:`Load` does."""

    def __init__(self, content_type: str) -> None:
        super().__init__()
        kind = format_of(content_type)
        if kind is None:
            raise UnsupportedMedia("Send Content-Type: application/x-ndjson or text/csv.")
        self._kind = kind

    @override
    def lines(self, request: Request) -> AsyncGenerator[bytes]:
        return Load(request, self._kind).run()
