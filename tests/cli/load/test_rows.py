"""Rows of CSV and NDJSON: types, places, damaged files."""

import gzip
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.cli.load import csv_text, lines, rows
from service.cli.load.cells import converter, kind_of
from service.cli.load.lines import FileUnreadable
from service.cli.load.rows import Row, open_source

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def read(path: Path, delimiter: str | None = None, encoding: str = "utf-8") -> list[Row]:
    with open_source(path, None, delimiter, encoding) as source:
        return list(source.rows)


def details(rows: list[Row]) -> list[str]:
    return [row.fault["detail"] for row in rows if row.fault is not None]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "", "-2.50", "1e3", ".5"], [1, None, -2.5, 1000.0, 0.5]),
        (["0", "18446744073709551616"], [0, 2**64]),
        (["01", "2"], ["01", "2"]),
        (["+49", "2"], ["+49", "2"]),
        (["1_000"], ["1_000"]),
        (["true", "FALSE", ""], [True, False, None]),
        (["true", "yes"], ["true", "yes"]),
        (["Nan", "Tom"], ["Nan", "Tom"]),
        (["inf", "-Infinity", "1"], [math.inf, -math.inf, 1]),
        (["1e999"], ["1e999"]),
        (["٣"], ["٣"]),
        (["", ""], [None, None]),
        (["1", "NA", "N/A", "null", "NULL", "<NA>"], [1, *[None] * 5]),
        (["True", "None", "false"], [True, None, False]),
        (["NaN", "NA"], [math.nan, None]),
        (["DE", "NA", "None"], ["DE", "NA", "None"]),
        (["NA", ""], ["NA", None]),
        (["1", "NA", "x"], ["1", "NA", "x"]),
    ],
)
def test_cells_of_a_column_have_one_type(cells: list[str], values: list[Any]) -> None:
    convert = converter(kind_of(cells))
    converted = [convert(cell) for cell in cells]
    assert [*map(repr, converted)] == [*map(repr, values)]  # NaN is no equal of itself


def test_cells_nan_among_numbers_is_nan() -> None:
    assert kind_of(["NaN", "1"]) == "number"
    assert math.isnan(converter("number")("nan"))
    assert converter("number")("n/b") == "n/b"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiter_is_that_of_the_header(delimiter: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f'"a,b;c"{delimiter}d\n1{delimiter}2\n'.encode())
    assert [row.values for row in read(path)] == [{"a,b;c": "1", "d": "2"}]


def test_csv_header_with_a_quote_in_a_name_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('width ",d\n1,2\n')
    assert [row.values for row in read(path)] == [{'width "': "1", "d": "2"}]


def test_csv_faults_have_the_line_where_the_record_begins(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,b\n"1\n\n2",3\n\n4\n5,"x"y\n6,\xff\n7,8')
    rows = read(path)
    assert [(row.number, row.line) for row in rows] == [(1, 2), (2, 6), (3, 7), (4, 8), (5, 9)]
    assert [row.number for row in rows if row.fault] == [2, 3, 4]
    assert "--encoding" in details(rows)[-1]
    assert read(path, encoding="cp1252")[3].values == {"a": "6", "b": "ÿ"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("a,b,a\n", "'a' occurs twice"), ("", "no header"), (",\n1,2\n", "no header")],
)
def test_csv_header_that_names_nothing_is_refused(
    content: str, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(FileUnreadable, match=sentence):
        read(path)


def test_ndjson_faults_cost_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    content = [
        b'\xef\xbb\xbf{"a": NaN}',
        b"",
        b"[1]",
        b"{",
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b"{}",
    ]
    path.write_bytes(b"\r\n".join(content))
    rows = read(path)
    assert [row.line for row in rows] == [1, 3, 4, 5, 6, 7]
    assert [row.number for row in rows if row.fault] == [2, 3, 4, 5]
    assert math.isnan(rows[0].values["a"])


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_line_too_long_costs_itself(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 20)
    for module in (csv_text, rows):
        monkeypatch.setattr(module, "MAX_RECORD", 20)
    path = tmp_path / name
    texts = ["a", "1", "x" * 70, "2"] if name == "a.csv" else ['{"a":1}', "x" * 70, '{"a":2}']
    path.write_text("\n".join(texts))
    assert [(row.line, bool(row.fault)) for row in read(path)][-2:] == [
        (len(texts) - 1, True),
        (len(texts), False),
    ]


def test_sample_of_large_rows_is_small(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text((json.dumps({"a": "x" * (1 << 20)}) + "\n") * 12)
    with open_source(path, None, None, "utf-8") as source:
        sample = source.take_sample()
        assert 8 <= len(sample) <= 9
        assert [row.number for row in [*sample, *source.rows]] == list(range(1, 13))


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip.compress), ("zst", zstd.compress)])
def test_packed_file_is_unpacked(
    ending: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"a.csv.{ending}"
    packed = pack(b"a\n" + b"1\n" * 1000)
    path.write_bytes(packed)
    assert len(read(path)) == 1000
    path.write_bytes(packed[:-6])
    with pytest.raises(FileUnreadable, match="to its end"):
        read(path)


def test_csv_stray_quote_costs_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    long = "x" * 70_000
    path.write_text(
        'sku,name,size,text\na,"12"" pan",1,x\nb,"stray,2,x\nc,d"e,3,x\nf,"two\nlines",4,x\n'
        f"g,h,5,{long}\n",
        "utf-8",
    )
    rows = read(path)
    assert [row.line for row in rows] == [2, 3, 4, 5, 7]
    assert [bool(row.fault) for row in rows] == [False, True, False, False, False]
    assert [row.values["name"] for row in rows if not row.fault] == [
        '12" pan', 'd"e', "two\nlines", "h",
    ]  # fmt: skip
    assert rows[-1].values["text"] == long
