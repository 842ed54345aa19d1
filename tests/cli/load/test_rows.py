"""Rows of CSV, NDJSON and Parquet: types, places, damaged files, bounded memory."""

import gzip
import json
import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from service.cli.load import csv_text, lines, parquet, rows
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


def test_parquet_values_become_json(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)
    columns = {
        "int": pa.array([2**63], pa.uint64()),
        "half": pa.array([0.5], pa.float16()),
        "nan": pa.array([math.nan]),
        "null": pa.array([None]),
        "money": pa.array([Decimal("12.50")]),
        "whole": pa.array([Decimal("7.00")]),
        "word": pa.array(["a"]).dictionary_encode(),
        "list": pa.array([[1.5, None]]),
        "nested": pa.array([{"at": moment, "days": [date(2026, 1, 1)]}]),
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "utc": pa.array([moment], pa.timestamp("ns", tz="UTC")),
        "naive": pa.array([1], pa.timestamp("ns")),
        "took": pa.array([timedelta(milliseconds=1500)], pa.duration("ns")),
        "bytes": pa.array([b"\xff"]),
        "uuid": pa.array([UUID(int=1).bytes], pa.uuid()),
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    (row,) = read(path)
    assert math.isnan(row.values.pop("nan"))
    assert json.loads(json.dumps(row.values)) == {
        "int": 2**63,
        "half": 0.5,
        "null": None,
        "money": 12.5,
        "whole": 7,
        "word": "a",
        "list": [1.5, None],
        "nested": {"at": "2026-01-01T10:00:00.123456+00:00", "days": ["2026-01-01"]},
        "map": [["k", 1]],
        "utc": "2026-01-01T10:00:00.123456+00:00",
        "naive": "1970-01-01T00:00:00",
        "took": 1.5,
        "bytes": "/w==",
        "uuid": str(UUID(int=1)),
    }


def test_parquet_row_group_is_read_in_parts(tmp_path: Path) -> None:
    """A row group of 24 MB in rows of 64 KiB; with pyarrow's defaults all of it is allocated."""
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"{number:065536}" for number in range(384)]})
    pages = {"write_batch_size": 8, "data_page_size": 65536}
    pq.write_table(table, path, use_dictionary=False, compression="none", **pages)
    del table
    before, most = pa.total_allocated_bytes(), 0
    with open_source(path, None, None, "utf-8") as source:
        for _ in source.rows:
            most = max(most, pa.total_allocated_bytes() - before)
    assert 0 < most < 16 << 20


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "pa", None)
    with pytest.raises(FileUnreadable, match=r"polystore\[export\]"):
        read(tmp_path / "a.parquet")


def test_parquet_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("a,b\n")
    with pytest.raises(FileUnreadable, match="as Parquet"):
        read(path)
    with pytest.raises(FileUnreadable, match="--format"):
        read(tmp_path / "a.xlsx")
    with pytest.raises(FileUnreadable, match="cannot be opened"):
        read(tmp_path / "missing.csv")


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
