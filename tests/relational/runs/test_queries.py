"""Statements of runs, and the plans that PostgreSQL keeps of them."""

from sqlalchemy import text

from service.relational.experiments.tables import DEFAULT_ID
from service.relational.runs.log import RunLog
from service.relational.runs.repository import RunRepository
from service.relational.runs.schemas import Point
from service.stores.sql.context import SqlContext

PLANS = text("""
    SELECT sum(generic_plans) FROM pg_prepared_statements WHERE statement LIKE '%metric_points%'
""")


async def test_add_points_after_some_times_keeps_its_plan(sql_context: SqlContext) -> None:
    run = await RunRepository(sql_context).add(DEFAULT_ID)
    log = RunLog(sql_context)
    for step in range(8):  # the first makes the series, five are planned for their values
        await log.log(run.id, metrics=[Point("loss", 0.5, 1, step)])
    assert await sql_context.session.scalar(PLANS)
