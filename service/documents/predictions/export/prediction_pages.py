"""Read the log page by page, oldest first; each page is an operation of its own on the store.

Nothing is open in the store between two pages, and at most one page is in memory. A page begins
after the last event of the previous one, by time and id. Events that are logged meanwhile
therefore neither shift nor repeat any.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar
from uuid import UUID

from bson import decode_iter

from service.core.cooperative import run_cooperatively
from service.documents.predictions.documents import FEEDBACK, PREDICTIONS
from service.documents.predictions.export.schemas import ExportQuery
from service.documents.predictions.reading.arrival import Arrival
from service.documents.predictions.reading.filters import conditions
from service.documents.predictions.reading.labels import latest_labels
from service.documents.predictions.reading.repository import PROJECTION
from service.stores.mongo.client import Document, MongoStore
from service.stores.mongo.filters import all_of
from service.stores.mongo.keyset import after_cursor
from service.web.lists.cursors import Cursor
from service.web.lists.sorting import Sort

PAGE_SIZES = {"ndjson": 500, "csv": 500, "parquet": 1_000}
SLICE_SECONDS = PAUSE_SECONDS = 0.001
T = TypeVar("T")


class PredictionPages:
    """The events that match a query, page by page."""

    def __init__(self, mongo: MongoStore, query: ExportQuery) -> None:
        self._mongo = mongo
        self._predictions = mongo.database[PREDICTIONS]
        self._feedback = mongo.database[FEEDBACK]
        self.arrival = Arrival(mongo) if query.filters_arrival else None
        self._where = conditions(query.filters())
        if self.arrival is not None:
            self._where = all_of(self._where, self.arrival.condition)
        # The first to arrive first where events are selected by that, so that an index serves it.
        self._order = Sort("timestamp" if self.arrival is None else "received_at", descending=False)
        self._page_size = PAGE_SIZES[query.format]
        self._after: Cursor | None = None

    async def next(self) -> list[Document]:
        """Return the next page, at most 16 MiB of documents; it is empty after the last."""
        raw = await self._mongo.call(self._read, writes=False)
        page = await self.run(decode_iter(raw, self._predictions.codec_options))
        if page:
            self._after = Cursor((page[-1][self._order.field],), page[-1]["_id"])
        return page

    async def latest_labels(self, page: Sequence[Document]) -> dict[UUID, Document]:
        """Return the feedback of the events of a page that have labels, by id."""
        models = {document["_id"]: document["model"] for document in page}
        return await latest_labels(self._feedback, models, self._call)

    async def _call(self, work: Callable[[], Awaitable[T]]) -> T:
        return await self._mongo.call(work, writes=False)

    async def run(self, work: Iterable[T]) -> list[T]:
        """Run CPU-bound work on the event loop; other tasks run after each millisecond of it.

        A thread would hold the GIL for Python's switch interval, 5 ms, each time the event loop
        wants to continue. The pause while others wait for MongoDB has the same reason: Motor waits
        in threads, and the event loop would hold up each of them as long.
        """
        return await run_cooperatively(
            work,
            seconds=SLICE_SECONDS,
            pause=lambda: PAUSE_SECONDS if self._mongo.in_use else 0,
        )

    async def _read(self) -> bytes:
        """Return the first batch as BSON; MongoDB sends at most 16 MiB in it."""
        where = self._where
        if self._after is not None:
            where = all_of(where, after_cursor([self._order], self._after))
        cursor = self._predictions.find_raw_batches(
            where,
            PROJECTION,
            sort=[(self._order.field, 1), ("_id", 1)],
            limit=self._page_size,
            batch_size=self._page_size,
        )
        try:
            async for batch in cursor:
                return bytes(batch)
            return b""
        finally:
            await cursor.close()
