"""Rows of Parquet: every type, values that Python does not have, bounded memory."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from service.cli.load import parquet
from service.cli.load.lines import FileUnreadable
from service.cli.load.rows import open_source
from tests.cli.load.test_rows import details, read

NS = pa.timestamp("ns", tz="UTC")


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


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (pa.array([1999], pa.timestamp("ns")), "1970-01-01T00:00:00.000001"),
        (pa.array([1999], pa.time64("ns")), "00:00:00.000001"),
        (pa.array([1999], pa.timestamp("ns")).dictionary_encode(), "1970-01-01T00:00:00.000001"),
        (pa.array(["a"]).dictionary_encode(), "a"),
        (pa.array([[1999]], pa.list_(pa.duration("ns"))), [1e-06]),
        (pa.array([[1999]], pa.large_list(pa.timestamp("ns"))), ["1970-01-01T00:00:00.000001"]),
        (pa.array([[1999]], pa.list_(pa.time64("ns"), 1)), ["00:00:00.000001"]),
        (
            pa.array([{"at": [{"x": 1999}]}], pa.struct({"at": pa.list_(pa.struct({"x": NS}))})),
            {"at": [{"x": "1970-01-01T00:00:00.000001+00:00"}]},
        ),
        (
            pa.array([[("k", 1999)]], pa.map_(pa.string(), NS)),
            [["k", "1970-01-01T00:00:00.000001+00:00"]],
        ),
    ],
)
def test_parquet_nanoseconds_become_microseconds(array: Any, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": array}), path)
    (row,) = read(path)
    assert json.loads(json.dumps(row.values)) == {"a": value}


@pytest.mark.parametrize("kind", [pa.timestamp("ms"), pa.timestamp("us", tz="UTC")])
def test_parquet_time_beyond_python_costs_its_row(kind: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    array = pa.array([0, 10**18, None, -(10**18)], kind)
    pq.write_table(pa.table({"a": array, "nested": pa.array([[at] for at in array])}), path)
    found = read(path)
    assert [row.number for row in found if row.fault] == [2, 4]
    assert found[2].values == {"a": None, "nested": [None]}
    assert "cannot be read" in details(found)[0]


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
