"""Rows of runs for the benchmark of tracking, made by PostgreSQL itself, without a client between.

Each run has 5 metrics, 5 params and 3 tags, which are side by side as if a run had logged them.
"""

import asyncpg

SMALL = "'00000000-0000-7000-8000-00000000a{0:03d}'::uuid"
_RUNS = """
    INSERT INTO runs (id, experiment_id, name, user_name, status, started_at, ended_at)
    SELECT (lpad(to_hex({number}), 8, '0') || lpad(to_hex(1000000 - n), 24, '0'))::uuid,
        {experiment},
        'run-' || n, 'user' || n % 7,
        (ARRAY['FINISHED', 'FAILED', 'RUNNING'])[1 + n % 3], now() - n * interval '1 minute',
        now() - n * interval '1 minute' + interval '30 s'
    FROM generate_series(1, {runs}) AS n
"""
_PARAMS = """
    INSERT INTO run_params (run_id, key, experiment_id, value)
    SELECT id, 'param' || k, experiment_id, (hashtext(id::text || k) & 1023)::text
    FROM runs, generate_series(1, 5) AS k WHERE experiment_id = {experiment} ORDER BY id, k
"""
_TAGS = """
    INSERT INTO run_tags (run_id, key, experiment_id, value)
    SELECT id, 'tag' || k, experiment_id, 'value ' || (hashtext(id::text || k) & 255)
    FROM runs, generate_series(1, 3) AS k WHERE experiment_id = {experiment} ORDER BY id, k
"""
_METRICS = """
    INSERT INTO run_metrics (run_id, experiment_id, key, step, timestamp, value, count, total,
        least, greatest)
    SELECT id, experiment_id, 'metric' || k, {points}, 1700000000000, v, {points}, v * {points},
        v, v
    FROM runs, generate_series(1, 5) AS k,
        LATERAL (SELECT (hashtext(id::text || k)::float8 + 2147483648) / 4294967296 AS v) AS value
    WHERE experiment_id = {experiment} ORDER BY id, k
"""
_POINTS = """
    INSERT INTO metric_points (metric_id, timestamp, step, value)
    SELECT id, 1700000000000 + n * 1000, n, value * n FROM run_metrics,
        generate_series(1, {points}) AS n WHERE experiment_id = {experiment}
"""


async def fill(connection: asyncpg.Connection, number: int, runs: int, points: int) -> str:
    """Make an experiment with runs; return its id.

    Args:
        connection: without a statement timeout.
        number: of the experiment, from 1.
        runs: how many.
        points: in the history of each of their 5 metrics.
    """
    experiment = SMALL.format(number)
    await connection.execute(
        f"INSERT INTO experiments (id, name) VALUES ({experiment}, 'bench {number}')"  # noqa: S608
    )
    for statement in (_RUNS, _PARAMS, _TAGS, _METRICS, _POINTS):
        await connection.execute(
            statement.format(experiment=experiment, number=number, runs=runs, points=points)
        )
    for table in ("runs", "run_params", "run_tags", "run_metrics", "metric_points"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    return experiment[1:37]
