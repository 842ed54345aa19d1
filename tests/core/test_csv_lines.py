"""Lines of a text in chunks: each line end of Windows, Unix and old Macs, in each charset."""

import codecs
from collections.abc import AsyncIterator

import pytest

from service.core.csv_lines import find_charset, read_lines
from service.core.csv_records import MAX_RECORD


async def read(body: bytes, size: int, charset: str | None = None) -> list[str]:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return [line async for lines, _ in read_lines(chunks(), charset) for line in lines]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-le", "cp1252"])
async def test_lines_in_any_chunks_are_whole(size: int, charset: str) -> None:
    lines = ["é\r\n", "\r\n", "b\r", "c\n", "\x0b\x1c\x85d\r", "e"]
    if charset == "cp1252":
        lines[4] = "d\r"
    assert await read("".join(lines).encode(charset), size, charset) == lines


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8])
async def test_lines_with_a_mark_in_any_chunks_need_no_charset(mark: bytes, size: int) -> None:
    charset = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(
        mark, "utf-8"
    )
    lines = await read(mark + "é\nb".encode(charset), size)
    assert "".join(lines).removeprefix("\ufeff") == "é\nb"


async def test_lines_bytes_outside_the_charset_become_half_pairs() -> None:
    assert await read(b"a\xff\nb", 1) == ["a\udcff\n", "b"]
    assert await read(b"a\x81\n", 1, "cp1252") == ["a\udc81\n"]
    assert await read(b"a\x00b", 1, "utf-16-le") == ["a\udc80"]


async def test_lines_too_long_are_cut() -> None:
    lines = await read(b"x" * 3 * MAX_RECORD + b"\nb", 1000)
    assert [len(line) for line in lines] == [MAX_RECORD + 1, 1]


@pytest.mark.parametrize("name", ["rot13", "idna", "utf-7", "hex", "\x00", "x" * 500, "unknown"])
def test_charset_of_no_csv_file_is_none(name: str) -> None:
    assert find_charset(name) is None
