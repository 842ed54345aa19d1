"""CSV as spreadsheets write it, and headers and lines that are out of the ordinary."""

from itertools import chain, repeat
from pathlib import Path

import pytest

from service.cli.load import csv_text, lines, rows
from service.cli.load.csv_text import csv_records
from service.cli.load.lines import FileUnreadable
from service.cli.load.rows import Row, open_source

ROWS = [{"name": "Köln", "size": "1"}, {"name": "a\nb", "size": "2"}]
TEXT = 'name;size\r\nKöln;1\r\n"a\nb";2\r\n'


def read(folder: Path, content: bytes, encoding: str = "utf-8") -> list[Row]:
    path = folder / "a.csv"
    path.write_bytes(content)
    with open_source(path, "csv", None, encoding) as source:
        return list(source.rows)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (TEXT.encode("utf-16"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-32"), "utf-32"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("mac-roman"), "mac-roman"),
        (TEXT.replace("\r\n", "\r").encode(), "utf-8"),
        (("\r\n \r\n" + TEXT).encode(), "utf-8"),
        (("sep=;\r\n" + TEXT).encode("utf-8-sig"), "utf-8"),
        (("\n" + "sep=;\r\n\n" + TEXT).encode("utf-16"), "utf-8"),
    ],
    ids=[
        "utf-16 found",
        "utf-16 named",
        "utf-16-le",
        "utf-32",
        "bom",
        "mac",
        "cr",
        "blank",
        "sep",
        "sep in utf-16",
    ],
)
def test_csv_of_a_spreadsheet_is_read(content: bytes, encoding: str, tmp_path: Path) -> None:
    assert [row.values for row in read(tmp_path, content, encoding)] == ROWS


def test_csv_sep_decides_and_lines_count(tmp_path: Path) -> None:
    found = read(tmp_path, b"sep=;\n\na,b,c;d\n\n1;2\n3\n")
    assert [(row.line, row.values) for row in found] == [(5, {"a,b,c": "1", "d": "2"}), (6, {})]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [(b"a,b\n1,2\n", "utf-16"), (TEXT.encode("utf-16")[:-1], "utf-8")],
)
def test_csv_of_another_encoding_is_one_sentence(
    content: bytes, encoding: str, tmp_path: Path
) -> None:
    with pytest.raises(FileUnreadable):
        read(tmp_path, content, encoding)


def test_ndjson_in_utf16_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_bytes('{"a": 1}\n'.encode("utf-16"))
    with (
        pytest.raises(FileUnreadable, match="NDJSON is UTF-8"),
        open_source(path, None, None, "utf-8") as source,
    ):
        list(source.rows)


def test_csv_line_too_long_costs_no_other_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 2000)
    for module in (csv_text, rows):
        monkeypatch.setattr(module, "MAX_RECORD", 2000)
    texts = ["a", *map(str, range(99)), "x" * 5000, "y"]
    found = read(tmp_path, "\n".join(texts).encode())
    assert [row.line for row in found if row.fault] == [101]
    assert found[-1].values == {"a": "y"}


@pytest.mark.parametrize(
    ("text", "header", "row"),
    [
        ('a,width ",c\n1,2,3\n', ["a", 'width "', "c"], ["1", "2", "3"]),
        ('w ",h ",c\n1,2,3\n', ['w "', 'h "', "c"], ["1", "2", "3"]),
        ('"a\n\n""b",c\n1,2\n', ['a\n\n"b', "c"], ["1", "2"]),
        ('c,"a\nb"\n1,2\n', ["c", "a\nb"], ["1", "2"]),
    ],
)
def test_csv_header_goes_on_while_a_name_is_open(
    text: str, header: list[str], row: list[str]
) -> None:
    assert [cells for _, cells in csv_records(text.splitlines(keepends=True))] == [header, row]


def test_csv_header_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_text, "MAX_RECORD", 10_000)
    endless = chain(['"a\n'], repeat("x\n"))
    assert next(csv_records(endless)) == (1, "it has a stray quote")
