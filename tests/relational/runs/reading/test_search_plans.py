"""Searches read about one page of an experiment's 10,000 runs, where an index serves them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, event, text

from service.relational.runs.reading.search_runs import RunSearch
from service.stores.sql.context import SqlContext

pytestmark = [pytest.mark.plans, pytest.mark.xdist_group("plans")]
RUNS, PAGE = 10_000, 20
EXPERIMENT = UUID("00000000-0000-7000-8000-0000000000aa")
# Of each found run its row, metric, param, tag and experiment; twice that, for what is not found.
MOST = 10 * (PAGE + 1)
FILL = (
    "INSERT INTO experiments (id, name) VALUES (:id, 'plans')",
    """
    INSERT INTO runs (id, experiment_id, name, user_name, status, started_at)
    SELECT (lpad(to_hex(n), 32, '0'))::uuid, :id, 'run ' || n, 'u', 'FINISHED',
        timestamptz '2026-01-01Z' + n * interval '1 min' FROM generate_series(1, 10000) AS n
    """,
    """
    INSERT INTO run_metrics (run_id, experiment_id, key, step, timestamp, value, count, total)
    SELECT id, experiment_id, 'loss', 0, 0, hashtext(id::text), 1, 0 FROM runs
    WHERE experiment_id = :id
    """,
    """
    INSERT INTO run_params (run_id, experiment_id, key, value)
    SELECT id, experiment_id, 'lr', (hashtext(id::text) % 1000)::text FROM runs
    WHERE experiment_id = :id
    """,
    """
    INSERT INTO run_tags (run_id, experiment_id, key, value)
    SELECT id, experiment_id, 'seldom', 'yes' FROM runs WHERE experiment_id = :id
    ORDER BY hashtext(id::text) LIMIT 10
    """,
    """
    INSERT INTO run_tags (run_id, experiment_id, key, value)
    SELECT id, experiment_id, 'often', 'yes' FROM runs WHERE experiment_id = :id
    """,
    "ANALYZE runs", "ANALYZE run_metrics", "ANALYZE run_params", "ANALYZE run_tags",
)  # fmt: skip

SEARCHES: list[tuple[str | None, list[str]]] = [
    (None, []),
    (None, ["metrics.loss"]),
    ("tags.often = 'yes'", []),
    (None, ["metrics.loss DESC"]),
    ("tags.seldom = 'yes'", []),
    ("tags.nothing = 'yes'", []),
    ("params.lr = '7'", []),
    ("metrics.loss < -2147000000", []),
    ("metrics.loss < 0", ["metrics.loss"]),
    ("params.lr != '7'", []),
]


@pytest.fixture
async def many_runs(sql_context: SqlContext) -> SqlContext:
    for statement in FILL:
        parameters = {"id": EXPERIMENT} if ":id" in statement else {}
        await sql_context.session.execute(text(statement), parameters)
    return sql_context


@contextmanager
def _statements(connection: Connection) -> Iterator[list[tuple[str, Sequence[Any]]]]:
    sent: list[tuple[str, Sequence[Any]]] = []

    def note(*arguments: Any) -> None:
        sent.append((arguments[2], arguments[3]))

    event.listen(connection, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(connection, "before_cursor_execute", note)


def _read(plan: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield each scan of a plan with the rows that it has read, those that it removed included."""
    if "Relation Name" in plan:
        rows = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        yield f"{plan['Node Type']} {plan['Alias']}", rows * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from _read(part)


async def test_search_of_many_runs_reads_about_a_page(many_runs: SqlContext) -> None:
    connection = await many_runs.session.connection()
    assert connection.sync_connection is not None
    for filter_text, order_by in SEARCHES:
        with _statements(connection.sync_connection) as sent:
            await RunSearch(many_runs).page(
                [EXPERIMENT], shape="own", limit=PAGE, filter_text=filter_text, order_by=order_by
            )
        statement, parameters = sent[0]
        explained = await connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", tuple(parameters)
        )
        plan = explained.scalar_one()
        plan = json.loads(plan) if isinstance(plan, str) else plan
        scans = list(_read(plan[0]["Plan"]))
        assert sum(rows for _, rows in scans) <= MOST, (filter_text, order_by, scans)
