"""Files as people have them: NaN, names as trained, ids of their own, large integers."""

import json
import math
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.cli.load.loading import load_json, stored, write

pytestmark = pytest.mark.usefixtures("reset_stores")


async def test_load_csv_with_nan_and_names_as_trained(url: str, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "titanic.csv",
        "key,time,home.dest,$fare, age ,y_pred,y_true",
        "passenger-1,2026-01-01T10:00:00Z,St Louis,nan,29.0,1.0,0.0",
        "passenger-2,2026-01-01T10:00:01Z,,-inf,,0.0,1.0",
    )
    loaded = await load_json(file, url, "--id", "key")
    assert (loaded["created"], loaded["labels"]["labelled"]) == (2, 2)
    first, second = await stored(url)
    assert (first["prediction_id"], second["prediction_id"]) == ("passenger-1", "passenger-2")
    assert first["features"] == {"home.dest": "St Louis", "$fare": None, " age ": 29.0}
    assert first["nonfinite"] == {"/features/$fare": "NaN"}
    assert second["nonfinite"] == {"/features/$fare": "-Infinity"}
    assert (first["output"], first["label"]) == ({"label": 1}, 0)
    assert (await load_json(file, url, "--id", "key"))["duplicates"] == 2


async def test_load_parquet_with_nan_and_large_integers(url: str, tmp_path: Path) -> None:
    columns = {
        "time": ["2026-01-01T10:00:00Z"],
        "hash": pa.array([2**64 - 1], pa.uint64()),
        "embedding": [[1.5, math.nan]],
        "user_id": [17],
        "score": [math.inf],
        "site": [4],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    await load_json(tmp_path / "a.parquet", url, "--tag", "site")
    (event,) = await stored(url)
    assert event["features"] == {"hash": 2**64 - 1, "embedding": [1.5, None]}
    assert event["nonfinite"] == {"/features/embedding/1": "NaN", "/output/score": "Infinity"}
    assert (event["user_id"], event["tags"]) == ("17", {"site": "4"})


async def test_load_ndjson_with_nan_and_missing_scores(url: str, tmp_path: Path) -> None:
    row = {"time": "2026-01-01T10:00:00Z", "age": math.nan, "a": 0.5, "b": None}
    file = write(tmp_path, "a.ndjson", json.dumps(row))
    await load_json(file, url, "--scores", "a,b")
    (event,) = await stored(url)
    assert event["output"] == {"scores": {"a": 0.5, "b": None}}
    assert event["nonfinite"] == {"/features/age": "NaN"}
