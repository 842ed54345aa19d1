"""Pages of large items: they end early, and their items are read while they are sent.

The first read returns of items above 4 KiB their sizes alone. They are then read a few at a time,
each time when the client has taken those before. So no page holds more than a few of them.
"""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from itertools import accumulate
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from typing_extensions import override

from service.core.cooperative import run_cooperatively
from service.core.errors import Refused
from service.web.streaming import LARGE_BYTES, LargeResponses, StreamedResponse

T = TypeVar("T")
PAGE_BYTES = 8_388_608  # of the items of a page
SMALL_BYTES = 4_096  # of an item that the first read returns


class PageTooLarge(Refused):
    code, title = "page_too_large", "Items are too large for one page"
    pointer = "/query/limit"

    def __init__(self, fitting: int) -> None:
        super().__init__(
            f"Set limit or page_size to {fitting} or fewer, because only {fitting} of them fit; or "
            "follow next_cursor instead of an offset or page numbers."
        )


def end_early(
    page: Sequence[T], last: T | None, sizes: Sequence[int], *, by_offset: bool
) -> tuple[Sequence[T], T | None]:
    """Return the items that fit into a page, one at least, and its last item if there are more.

    Args:
        page: the items, which are at most ``limit``.
        last: the last of them, if there are more.
        sizes: of each item in bytes, 0 for a small one.
        by_offset: the next page begins at an offset, which would skip what does not fit.

    Raises:
        PageTooLarge: not all items fit, and ``by_offset``.
    """
    fitting = max(1, bisect_right(list(accumulate(sizes)), PAGE_BYTES))
    if fitting >= len(page):
        return page, last
    if by_offset:
        raise PageTooLarge(fitting)
    return page[:fitting], page[fitting - 1]


def in_batches(page: Sequence[T], sizes: Sequence[int]) -> Iterator[Sequence[T]]:
    """Split a page where the large items of a batch reach LARGE_BYTES."""
    begin, total = 0, 0
    for end, size in enumerate(sizes, 1):
        total += size
        if total >= LARGE_BYTES or end == len(page):
            yield page[begin:end]
            begin, total = end, 0


class LargePage(StreamedResponse):
    """A page of a list whose items are read while it is sent.

    Args:
        batches: yields a few items at a time, each as its JSON when it is iterated.
        end: what follows the items.
        headers: Link, if there is a next page.
        request: has the fields to show, if not all of them, and the slots in its state.
    """

    def __init__(
        self,
        batches: AsyncGenerator[Iterable[bytes]],
        end: bytes,
        headers: Mapping[str, str],
        request: Request,
    ) -> None:
        super().__init__("application/json", headers)
        self._batches, self._end = batches, end
        self._fields = frozenset(filter(None, request.scope.get("fields", "").split(",")))
        self._large_responses: LargeResponses = request.state.large_responses

    @override
    async def pieces(self) -> AsyncGenerator[bytes]:
        begin = b'{"items":['
        async with aclosing(self._batches), self._large_responses.slot():
            while (items := await self._next_items()) is not None:
                if items:
                    yield begin + items
                    begin = b","
            yield (b"" if begin == b"," else begin) + b"]" + self._end

    async def _next_items(self) -> bytes | None:
        """Return the next batch, None after the last; its items may have been removed meanwhile."""
        async with self._large_responses.turn():
            batch = await anext(self._batches, None)
            if batch is None:
                return None
            return b",".join(await run_cooperatively(map(self._shown, batch)))

    def _shown(self, item: bytes) -> bytes:
        if not self._fields:
            return item
        whole: dict[str, Any] = msgspec.json.decode(item)
        return msgspec.json.encode({name: whole[name] for name in whole if name in self._fields})
