"""Histories of metrics, comparisons and files of runs."""

import csv
import io
from typing import Any

import httpx2
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from service.relational.runs.reading import compare, export_file
from tests.relational.experiments.factories import make_experiment, make_run, point
from tests.relational.projects.factories import status_and_code

Client = httpx2.AsyncClient


async def _log(client: Client, run: dict[str, Any], **body: Any) -> None:
    (await client.post(f"/v1/runs/{run['id']}/log", json=body)).raise_for_status()


async def test_history_comes_by_time_step_and_value_in_pages(client: Client) -> None:
    run = await make_run(client)
    points: list[tuple[int, int, Any]] = [
        (1, 2, 1.0),
        (1, 2, "NaN"),
        (1, -3, "Infinity"),
        (0, 9, "-Infinity"),
        (5, 0, 5e-324),
    ]
    metrics = [point("a/b c", value, step, time) for time, step, value in points]
    await _log(client, run, metrics=metrics)
    address, cursor, found = f"/v1/runs/{run['id']}/metrics/a%2Fb%20c/history", None, []
    while True:
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(address, params=query)).raise_for_status().json()
        found += [tuple(one.values()) for one in page["items"]]
        cursor = page["page"]["next_cursor"]
        if cursor is None:
            break
    assert found == [
        (0, 9, "-Infinity"), (1, -3, "Infinity"), (1, 2, 1.0), (1, 2, "NaN"), (5, 0, 5e-324),
    ]  # fmt: skip
    whole = (await client.get(address)).json()["items"]
    assert [tuple(one.values()) for one in whole] == found
    other = await client.get(f"/v1/runs/{run['id']}/metrics/other/history")
    assert other.json()["items"] == []


@pytest.mark.parametrize(
    ("points", "steps"), [(2, [0, 99]), (4, [0, 33, 66, 99]), (100, range(100)), (150, range(100))]
)
async def test_sample_of_a_history_keeps_both_ends(client: Client, points: int, steps: Any) -> None:
    run = await make_run(client)
    await _log(client, run, metrics=[point("loss", n, n, n) for n in range(100)])
    address = f"/v1/runs/{run['id']}/metrics/loss/history?points={points}"
    found = (await client.get(address)).json()["items"]
    assert [one["step"] for one in found] == list(steps)


async def test_runs_are_compared_side_by_side(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = await make_experiment(client, goals={"acc": "maximize"})
    one, other = [await make_run(client, experiment_id=experiment["id"]) for _ in range(2)]
    await _log(client, one, params={"lr": "1", "seed": "7", "only": "x"})
    await _log(client, other, params={"lr": "2", "seed": "7"})
    await _log(client, one, metrics=[point("acc", 3.0, 0), point("acc", 1.0, 1)])
    await _log(client, other, metrics=[point("acc", "NaN", 0)])
    body = {"run_ids": [other["id"], one["id"], other["id"]]}
    found = (await client.post("/v1/runs/compare", json=body)).raise_for_status().json()
    assert [run["id"] for run in found["runs"]] == [other["id"], one["id"]]
    assert found["same_params"] == {"seed": "7"}
    assert found["different_params"] == {"lr": ["2", "1"], "only": [None, "x"]}
    assert found["metrics"] == {
        "acc": {
            "latest": ["NaN", 1.0], "best": [None, 3.0], "least": [None, 1.0],
            "greatest": [None, 3.0], "mean": [None, 2.0],
        }
    }  # fmt: skip
    monkeypatch.setattr(compare, "MOST_VALUES", 4)
    refused = await client.post("/v1/runs/compare", json=body)
    assert status_and_code(refused) == (422, "too_much_to_compare")


@pytest.fixture
async def exported(client: Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of the file of three runs, in pages of two."""
    monkeypatch.setattr(export_file, "MOST_ROWS", 2)
    experiment = await make_experiment(client, goals={"loss": "minimize"})
    values: dict[str, Any] = {"=1+1": 1.5, "b": "NaN", "c": "-Infinity"}
    for second, (name, value) in enumerate(values.items()):
        run = await make_run(
            client,
            experiment_id=experiment["id"],
            name=name,
            started_at=f"2026-11-01T12:00:0{second}Z",
            tags={"t": "@x"} if name == "b" else {},
        )
        await _log(client, run, metrics=[point("loss", value)], params={f"p{second}": "1,\r\n2"})
    return f"/v1/experiments/{experiment['id']}/runs/export"


async def test_csv_of_runs_has_a_column_for_each_key(client: Client, exported: str) -> None:
    answer = (await client.get(f"{exported}?statistics=true")).raise_for_status()
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert answer.headers["content-type"].startswith("text/csv")
    assert [row["name"] for row in rows] == ["c", "b", "'=1+1"]
    assert [row["metrics.loss"] for row in rows] == ["-Infinity", "NaN", "1.5"]
    assert [row["best.loss"] for row in rows] == ["-Infinity", "", "1.5"]
    assert [row["params.p0"] for row in rows] == ["", "", "1,\r\n2"]
    assert [row["tags.t"] for row in rows] == ["", "'@x", ""]
    few = await client.get(f"{exported}?filter=run_name = 'b'")
    assert few.text.count("NaN") == 1


async def test_parquet_of_runs_keeps_numbers(client: Client, exported: str) -> None:
    answer = (await client.get(f"{exported}?format=parquet")).raise_for_status()
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column("name").to_pylist() == ["c", "b", "=1+1"]
    least, nan, first = table.column("metrics.loss").to_pylist()
    assert (least, first, nan != nan) == (float("-inf"), 1.5, True)  # noqa: PLR0124 - NaN is not
    assert table.column("started_at").to_pylist()[0].isoformat() == "2026-11-01T12:00:02+00:00"
    assert table.column("params.p1").to_pylist() == [None, "1,\r\n2", None]


async def test_export_with_errors_has_their_status(
    client: Client, exported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = exported.replace(exported.split("/")[3], "01930d6e-7a00-7000-8000-000000000001")
    assert status_and_code(await client.get(unknown)) == (404, "experiment_not_found")
    wrong = await client.get(f"{exported}?filter=x")
    assert status_and_code(wrong) == (422, "invalid_filter")
    monkeypatch.setattr(export_file, "MOST_COLUMNS", 3)
    assert status_and_code(await client.get(exported)) == (422, "too_many_columns")
