"""Files as people have them: NaN, names as trained, ids of their own, large integers."""

import json
import math
from pathlib import Path
from typing import Any

import httpx2
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


def exported_events() -> list[dict[str, Any]]:
    time = "2026-01-01T10:00:00.000Z"
    ids = ["-1+2", "01930d6e-7a00-7000-8000-000000000001", "'x", "=4"]
    events: list[dict[str, Any]] = [
        {"prediction_id": key, "timestamp": time, "features": {"age": 31, "name": "7"}}
        for key in ids
    ]
    events[0] |= {
        "features": {"age": math.nan, "deep": [1.0, {"a": -math.inf}], "big": 10**30},
        "output": {"score": math.inf, "label": "7"},
        "tags": {"site": "NA"},
        "sampling_weight": 2.5,
        "latency_ms": 4,
    }
    events[1] |= {"status": "error", "error": {"type": "E", "message": "no"}, "user_id": "+17"}
    events[2] |= {"status": "timeout", "error": "17", "role": "shadow", "trace_id": "007"}
    events[3] |= {"sent_at": time, "order_id": "7", "request_id": "true"}
    return events


LABELS = [("7", "a"), (7, "=b"), ({"boxes": [1, None]}, "c")]


@pytest.mark.parametrize("ending", ["ndjson", "csv", "parquet"])
async def test_load_export_finds_only_duplicates(ending: str, url: str, tmp_path: Path) -> None:
    events = exported_events()
    shared = {"model": "loans", "version": "3"}
    labels = [
        {"prediction_id": event["prediction_id"], "observed_at": event["timestamp"]}
        | {"label": label, "source": source}
        for event, (label, source) in zip(events, LABELS, strict=False)
    ]
    file = tmp_path / f"log.{ending}"
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        headers = {"Content-Type": "application/x-ndjson"}
        for path, items in (
            ("predictions", [event | shared for event in events]),
            ("labels", labels),
        ):
            lines = "\n".join(map(json.dumps, items))
            sent = await client.post(f"/v1/{path}/stream", content=lines, headers=headers)
            assert json.loads(sent.text.splitlines()[-1])["rejected"] == 0, sent.text
        query = {"labels": "true", "format": ending}
        file.write_bytes((await client.get("/v1/predictions/export", params=query)).content)
    loaded = await load_json(file, url)
    assert (loaded["rows"], loaded["duplicates"]) == (4, 4)
    assert loaded["labels"] == {"labelled": 0, "revised": 0, "unchanged": 3, "rejected": 0}


async def test_load_whole_events_without_object_are_rejected(url: str, tmp_path: Path) -> None:
    time = {"timestamp": "2026-01-01T10:00:00Z"}
    rows: list[dict[str, Any]] = [
        {"features": {"a": 1}},
        {"features": {"a": 2}, "error": {"message": "late in the file"}},
        {"features": [1, 2, 3]},
        {"features": "abc"},
        {"features": {"a": 5}, "output": 7, "score": 0.5},
        {"features": {"a": 6}, "tags": ["x"]},
    ]
    file = write(tmp_path, "a.ndjson", *(json.dumps(row | time) for row in rows))
    loaded = await load_json(file, url, "--score", "score", "--source", "s", exit_code=1)
    assert [item["row"] for item in loaded["rejections"]] == [3, 4, 5, 6]
    places = [item["errors"][0]["pointer"] for item in loaded["rejections"]]
    assert places == ["/features", "/features", "/output", "/tags"]
    assert [event["features"]["a"] for event in await stored(url)] == [1, 2]


async def test_load_whole_events_take_fields_of_later_rows(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.cli.load.rows.SAMPLE_BYTES", 10)
    event = {"timestamp": "2026-01-01T10:00:00Z", "features": {"a": 1}}
    later = event | {"role": "canary", "error": "e", "tags": {"b": "c"}, "nonfinite": None}
    file = write(tmp_path, "a.ndjson", json.dumps(event), json.dumps(later))
    await load_json(file, url, "--field", "error=")
    found = {event["role"]: event for event in await stored(url)}
    assert (found["canary"]["tags"], found["canary"]["error"]) == ({"b": "c"}, None)


async def test_load_flat_columns_named_as_fields_are_features(url: str, tmp_path: Path) -> None:
    file = write(tmp_path, "a.csv", "time,status,role,error", "2026-01-01T10:00:00Z,sold,3,0.5")
    await load_json(file, url)
    (event,) = await stored(url)
    assert event["features"] == {"status": "sold", "role": 3, "error": 0.5}
    assert (event["status"], event["role"]) == ("ok", "primary")
