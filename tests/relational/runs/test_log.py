"""Batches that a run logs: exact values, totals, repetitions, and refusals that store nothing."""

import math
from typing import Any

import httpx2
import pytest

from service.main import State
from tests.relational.experiments.factories import make_run, point
from tests.relational.projects.factories import status_and_code
from tests.relational.runs.stored import PARAMS, POINTS, SERIES, TAGS, all_stored, stored

MOST, LEAST = 2**63 - 1, -(2**63)
NOTHING = {"metrics": 0, "params": 0, "tags": 0}


@pytest.fixture
async def run(client: httpx2.AsyncClient) -> dict[str, Any]:
    return await make_run(client)


async def log(client: httpx2.AsyncClient, run: dict[str, Any], **batch: Any) -> httpx2.Response:
    return await client.post(f"/v1/runs/{run['id']}/log", json=batch)


async def logged(client: httpx2.AsyncClient, run: dict[str, Any], **batch: Any) -> dict[str, int]:
    answer = await log(client, run, **batch)
    assert answer.status_code == 200, answer.text
    made: dict[str, int] = answer.json()
    return made


async def test_batch_is_stored_and_its_repetition_changes_nothing(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    metrics = [point("loss", 0.5, 1, 10), point("loss", 0.25, 2, 20), point("acc", 1, 2, 20)]
    batch = {"metrics": metrics, "params": {"lr": "0.1", "a/b": ""}, "tags": {"t": "é"}}
    assert await logged(client, run, **batch) == {"metrics": 3, "params": 2, "tags": 1}
    before = await all_stored(state, run)
    assert before == [
        [("acc", 2, 20, 1, 1, 1, 1, 1), ("loss", 2, 20, 0.25, 2, 0.75, 0.25, 0.5)],
        [("acc", 2, 20, 1), ("loss", 1, 10, 0.5), ("loss", 2, 20, 0.25)],
        [("a/b", ""), ("lr", "0.1")],
        [("t", "é")],
    ]
    assert await logged(client, run, **batch) == NOTHING
    assert await all_stored(state, run) == before
    assert (await client.get(f"/v1/runs/{run['id']}")).json()["version"] == 1


async def test_point_twice_in_a_batch_is_one(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    for expected in (2, 0):  # first of a new key, then of a known one
        twice = [point("a", 0.0), point("a", -0.0), point("a", 1, 1), point("a", 1, 1)]
        assert (await logged(client, run, metrics=twice))["metrics"] == expected
    assert await stored(state, SERIES, run) == [("a", 1, 1, 1, 2, 1, 0, 1)]
    more = [point("a", 2, 2), point("a", 2, 2), point("b", 5)]
    assert (await logged(client, run, metrics=more))["metrics"] == 2
    assert await stored(state, SERIES, run) == [
        ("a", 2, 1, 2, 3, 3, 0, 2),
        ("b", 0, 1, 5, 1, 5, 5, 5),
    ]


@pytest.mark.parametrize(("value", "latest"), [(1, 1), (0, math.nan), (-1, math.nan)])
async def test_nan_at_one_time_counts_as_zero(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any], value: float, latest: float
) -> None:
    both: list[tuple[float | str, float | str]] = [("NaN", value), (value, "NaN")]
    for key, (first, second) in zip("ab", both, strict=True):  # in two batches
        for one in (first, second):
            await logged(client, run, metrics=[point(key, one)])
    for key, sent in zip("cd", both, strict=True):
        await logged(client, run, metrics=[point(key, one) for one in sent])
    rows = await stored(state, SERIES, run)
    assert [str(row[3]) for row in rows] == [str(float(latest))] * 4
    assert [row[4:] for row in rows] == [(1, value, value, value)] * 4
    assert len(await stored(state, POINTS, run)) == 8


async def test_values_come_back_exactly(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    exact = [5e-324, 1 / 3, 1.7976931348623157e308, -1.7976931348623157e308, 0.1 + 0.2, 2.0**53]
    metrics = [point(f"k{place}", value) for place, value in enumerate(exact)]
    specials = {"NaN": "NaN", "Infinity": "Infinity", "minus Infinity": "-Infinity"}
    metrics += [point(key, value) for key, value in specials.items()]
    assert (await logged(client, run, metrics=metrics))["metrics"] == 9
    rows = {row[0]: row for row in await stored(state, SERIES, run)}
    assert [rows[f"k{place}"][3] for place in range(len(exact))] == exact
    assert math.isnan(rows["NaN"][3])
    assert rows["NaN"][4:] == (0, 0, None, None), "NaN is no part of the totals"
    assert rows["Infinity"][3:] == (math.inf, 1, math.inf, math.inf, math.inf)
    assert rows["minus Infinity"][3:] == (-math.inf, 1, -math.inf, -math.inf, -math.inf)
    assert (await logged(client, run, metrics=metrics))["metrics"] == 0


async def test_steps_and_timestamps_have_64_bits(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    metrics = [point("a", 1, LEAST, MOST), point("a", 2, MOST, 0), point("a", 3, -1, 5)]
    assert (await logged(client, run, metrics=metrics))["metrics"] == 3
    assert [row[1:3] for row in await stored(state, POINTS, run)] == [
        (LEAST, MOST), (-1, 5), (MOST, 0),
    ]  # fmt: skip
    assert (await stored(state, SERIES, run))[0][1:4] == (MOST, 0, 2)


async def test_latest_has_greatest_step_then_timestamp_then_value(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    for metric, latest in (
        (point("a", 1, 5, 5), (5, 5, 1)),
        (point("a", 9, 4, 9), (5, 5, 1)),
        (point("a", 7, 5, 4), (5, 5, 1)),
        (point("a", 0, 5, 5), (5, 5, 1)),
        (point("a", 2, 5, 5), (5, 5, 2)),
        (point("a", 0, 5, 6), (5, 6, 0)),
        (point("a", 0, 6, 1), (6, 1, 0)),
    ):
        assert (await logged(client, run, metrics=[metric]))["metrics"] == 1
        ((_, *found),) = [row[:4] for row in await stored(state, SERIES, run)]
        assert tuple(found) == latest
    assert (await stored(state, SERIES, run))[0][4:] == (7, 19, 0, 9)


async def test_totals_beyond_floats_are_infinite_and_no_error(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    huge = 1.7e308
    for metrics in (
        [point("one", huge, step) for step in range(5)],
        *([point("by one", 5e304, step)] for step in range(2)),
        *([point("halves", 8e304, step) for step in range(n, n + 1000)] for n in (0, 1000)),
        [point("below", -huge)],
    ):
        assert (await logged(client, run, metrics=metrics))["metrics"] == len(metrics)
    rows = {key: rest for key, *rest in await stored(state, SERIES, run)}
    assert rows["one"][3:] == [5, math.inf, huge, huge]
    assert rows["by one"][3:5] == [2, 1e305]
    assert rows["halves"][3:5] == [2000, math.inf]
    assert rows["below"][3:] == [1, -math.inf, -huge, -huge]


async def test_changed_param_is_refused_and_nothing_stored(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    await logged(client, run, params={"kept": "1", "a/b": "1"})
    before = await all_stored(state, run)
    refused = await log(
        client,
        run,
        params={"new": "1", "kept": "1", "a/b": "2"},
        tags={"t": "1"},
        metrics=[point("a", 1)],
    )
    assert status_and_code(refused) == (409, "param_changed")
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/params/a~1b"]
    assert await all_stored(state, run) == before


async def test_tag_takes_the_last_value(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    for value, changed in (("1", 1), ("1", 0), ("2", 1)):
        assert (await logged(client, run, tags={"a": value}))["tags"] == changed
    assert await stored(state, TAGS, run) == [("a", "2")]
    assert await logged(client, run) == NOTHING


@pytest.mark.parametrize(
    "batch",
    [
        {"metrics": [point("a", "nan")]}, {"metrics": [point("a", 1, MOST + 1)]},
        {"metrics": [point("a", 1, 0, -1)]}, {"metrics": [point("a", 1, 0, MOST + 1)]},
        {"metrics": [point("a", "1")]}, {"metrics": [point("", 1)]},
        {"metrics": [{**point("a", 1), "step": 1.5}]}, {"metrics": [point("a/../b", 1)]},
        {"metrics": [{**point("a", 1), "value": True}]}, {"metrics": [{"key": "a"}]},
        {"metrics": [point("a", 10**400)]},
        {"metrics": [point("a", 1)] * 1001}, {"params": {"a\n": "b"}},
        {"params": {"k" * 251: ""}}, {"params": {"a": "b" * 6001}}, {"params": {"a": 1}},
        {"tags": {"/a": ""}}, {"tags": {"a": "\x00"}}, {"metrics": None}, {"more": 1},
    ],
)  # fmt: skip
async def test_invalid_batch_is_refused_and_nothing_stored(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any], batch: dict[str, Any]
) -> None:
    valid: dict[str, Any] = {
        "metrics": [point("ok", 1)],
        "params": {"ok": "1"},
        "tags": {"ok": "1"},
    }
    merged = {
        name: {**valid[name], **batch[name]} if isinstance(batch.get(name), dict) else
        [*valid[name], *batch[name]] if isinstance(batch.get(name), list) else
        batch.get(name, valid[name])
        for name in valid
    }  # fmt: skip
    assert (await log(client, run, **{**batch, **merged})).status_code == 422
    assert await all_stored(state, run) == [[]] * 4


async def test_largest_batch_is_stored(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    many = range(1000)
    batch = {
        "metrics": [point(f"é{n}", n) for n in many],
        "params": {f"p{n}": "x" for n in many},
        "tags": {f"t{n}": "x" for n in many},
    }
    assert set((await logged(client, run, **batch)).values()) == {1000}
    assert len(await stored(state, PARAMS, run)) == 1000
    assert set((await logged(client, run, **batch)).values()) == {0}
