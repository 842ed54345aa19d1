"""Reading of rows: the work grows with the length of the file, and is done in slices."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from service.relational.catalog.file_format import FileType, Format, ProductFile

HEADER = b"sku,name,price,currency\n"
GOOD = b"a,b,1,EUR\n"
OPEN = b'a",b,"c\n'  # leaves a value open, whether it begins in one or not


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


async def _read(body: bytes, file_format: Format) -> tuple[float, int]:
    """Return the CPU time in seconds, and how often others had their turn."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(count_turns())
    began = time.thread_time()
    assert [row async for row in ProductFile(_chunks(body), FileType(file_format)).rows()]
    taken = time.thread_time() - began
    others.cancel()
    return taken, turns


def _record(lines: int) -> bytes:
    return b'a,"' + b"\n" * lines + b'",1,EUR\n'


@pytest.mark.parametrize(
    ("once", "twice", "file_format"),
    [
        (HEADER + _record(30_000), HEADER + _record(60_000), "csv"),
        (HEADER + b'"' + b"\n" * 30_000, HEADER + b'"' + b"\n" * 60_000, "csv"),
        (HEADER + _record(500) * 20, HEADER + _record(500) * 40, "csv"),
        (HEADER + OPEN * 1000 + b"x\n", HEADER + OPEN * 2000 + b"x\n", "csv"),
        (HEADER + OPEN * 1500 + b'"', HEADER + OPEN * 3000 + b'"', "csv"),
        (HEADER + (OPEN + GOOD) * 500 + b'"', HEADER + (OPEN + GOOD) * 1000 + b'"', "csv"),
        (HEADER + OPEN * 1000 + b'x,"\n', HEADER + OPEN * 2000 + b'x,"\n', "csv"),
        (b"\n" * 40_000 + b"{}", b"\n" * 80_000 + b"{}", "ndjson"),
        (b"{}\n" * 300, b"{}\n" * 600, "ndjson"),
    ],
    ids=[
        "long record",
        "open quote",
        "records",
        "open lines",
        "open lines are closed",
        "open and good lines",
        "open lines, and one that opens",
        "blank lines",
        "invalid lines",
    ],
)
async def test_read_rows_twice_as_long_takes_less_than_three_times(
    once: bytes, twice: bytes, file_format: Format
) -> None:
    pairs = [(await _read(once, file_format), await _read(twice, file_format)) for _ in range(5)]
    # Of neighbours in time, because other work on the machine slows both.
    assert min(longer / shorter for (shorter, _), (longer, _) in pairs) < 3
    turns = pairs[0][1][1]
    assert turns > 5
