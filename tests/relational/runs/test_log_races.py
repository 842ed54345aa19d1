"""Many writers on one run at once: none fails, and the totals are exact."""

import asyncio
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from service.main import State
from tests.relational.experiments.factories import make_run, point
from tests.relational.projects.factories import status_and_code
from tests.relational.runs.stored import PARAMS, POINTS, SERIES, TAGS, all_stored, stored

WRITERS, ROUNDS = 8, 4


@pytest.fixture
async def run(client: httpx2.AsyncClient) -> dict[str, Any]:
    return await make_run(client)


async def at_once(
    client: httpx2.AsyncClient, run: dict[str, Any], batches: list[dict[str, Any]]
) -> list[httpx2.Response]:
    path = f"/v1/runs/{run['id']}/log"
    return await asyncio.gather(*(client.post(path, json=batch) for batch in batches))


async def test_eight_writers_of_the_same_new_keys_lose_nothing(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    keys = [f"k{n}" for n in range(20)]
    for turn in range(ROUNDS):
        batches = []
        for writer in range(WRITERS):
            # In another order each, and with keys that are new to all.
            ordered = keys[writer:] + keys[:writer] + [f"new {turn}"]
            batches.append(
                {
                    "metrics": [point(key, 1, turn * WRITERS + writer) for key in ordered],
                    "params": dict.fromkeys(ordered, "same"),
                    "tags": dict.fromkeys(ordered, f"{writer}"),
                }
            )
        answers = await at_once(client, run, batches)
        assert {answer.status_code for answer in answers} == {200}
        assert sum(answer.json()["metrics"] for answer in answers) == WRITERS * 21
    series = await stored(state, SERIES, run)
    assert {row[0]: row[4:6] for row in series} == {
        **dict.fromkeys(keys, (WRITERS * ROUNDS,) * 2),
        **{f"new {turn}": (WRITERS, WRITERS) for turn in range(ROUNDS)},
    }
    assert {row[1] for row in series if row[0] in keys} == {WRITERS * ROUNDS - 1}
    assert len(await stored(state, POINTS, run)) == WRITERS * (20 * ROUNDS + ROUNDS)
    assert len(await stored(state, PARAMS, run)) == len(await stored(state, TAGS, run)) == 24


async def test_writers_add_up_what_each_adds_to_one_series(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    batches = [{"metrics": [point("a", n, n)]} for n in range(30)]
    answers = await at_once(client, run, [*batches, *batches])
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["metrics"] for answer in answers) == 30
    assert await stored(state, SERIES, run) == [("a", 29, 1, 29, 30, sum(range(30)), 0, 29)]


async def test_two_values_of_a_param_at_once_keep_one(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    batches = [{"params": {"a": f"{n % 2}"}, "tags": {f"t{n}": ""}} for n in range(WRITERS)]
    answers = await at_once(client, run, batches)
    ((_, kept),) = await stored(state, PARAMS, run)
    for n, answer in enumerate(answers):
        if f"{n % 2}" == kept:
            assert answer.status_code == 200
        else:
            assert status_and_code(answer) == (409, "param_changed")
    assert {key for key, _ in await stored(state, TAGS, run)} == {
        f"t{n}" for n in range(WRITERS) if f"{n % 2}" == kept
    }


async def test_purge_among_writers_leaves_no_point_behind(
    client: httpx2.AsyncClient, state: State
) -> None:
    for _ in range(ROUNDS):
        run = await make_run(client)
        path = f"/v1/runs/{run['id']}"
        await client.post(f"{path}/log", json={"metrics": [point("a", 0)]})

        async def write(step: int, run: dict[str, Any] = run) -> int:
            metrics = [point("a", 1, step), point(f"b{step}", 1)]
            (answer,) = await at_once(client, run, [{"metrics": metrics}])
            return answer.status_code

        async def purge(path: str = path) -> int:
            await client.delete(path)
            return (await client.post(f"{path}/purge")).status_code

        found = await asyncio.gather(*map(write, range(1, 5)), purge(), *map(write, range(5, 9)))
        assert found[4] == 200
        assert set(found) <= {200, 404, 409}
        assert await stored(state, SERIES, run) == []
    async with state["sql"].engine.connect() as connection:
        assert not await connection.scalar(text("SELECT count(*) FROM metric_points"))


async def test_session_killed_in_a_batch_leaves_nothing_of_it(
    client: httpx2.AsyncClient, state: State, run: dict[str, Any]
) -> None:
    batch = {"params": {"p": "1"}, "tags": {"t": "1"}, "metrics": [point("new", 1), point("a", 9)]}
    await at_once(client, run, [{"metrics": [point("a", 1)]}])
    before = await all_stored(state, run)
    kill = text("""
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN (
            SELECT pid FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')
        )
    """)
    async with state["sql"].engine.connect() as holding, state["sql"].engine.connect() as killing:
        lock = text("SELECT id FROM run_metrics WHERE run_id = :run FOR UPDATE")
        await holding.execute(lock, {"run": UUID(run["id"])})
        waiting = asyncio.create_task(at_once(client, run, [batch]))
        async with asyncio.timeout(10):  # its params and tags are written, its metrics wait
            while not (await killing.execute(kill)).all():
                await asyncio.sleep(0.01)
        await holding.rollback()
    assert [answer.status_code for answer in await waiting] == [503]
    assert await all_stored(state, run) == before
    (answer,) = await at_once(client, run, [batch])
    assert answer.json() == {"metrics": 2, "params": 1, "tags": 1}
