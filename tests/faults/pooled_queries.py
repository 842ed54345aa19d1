"""``python -m tests.faults.pooled_queries URL yes|no NUMBER``: prints how many went wrong.

Each query asks for what only it asked for, so that a statement of another process is noticed.
"""

import asyncio
import sys

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from service.stores.sql.connect import create_engine

ROUNDS, TASKS = 60, 4


async def count_wrong(url: str, *, through_pgbouncer: bool, first: int) -> int:
    engine = create_engine(
        url, connect_seconds=20.0, through_pgbouncer=through_pgbouncer, pool_size=TASKS
    )
    try:
        results = await asyncio.gather(*(_query(engine, first + n) for n in range(TASKS)))
        return sum(results)
    finally:
        await engine.dispose()


async def _query(engine: AsyncEngine, number: int) -> int:
    """Run statements with texts of this task's own, in and outside of transactions."""
    wrong = 0
    reads = engine.execution_options(isolation_level="AUTOCOMMIT")
    for n in range(ROUNDS):
        bind = reads if n % 2 else engine
        try:
            async with bind.connect() as connection:
                for _ in range(2):
                    query = text(f"SELECT {number}, :n ::integer, {n % 7}")
                    row = (await connection.execute(query, {"n": n})).one()
                    wrong += tuple(row) != (number, n, n % 7)
                await connection.commit()
        except Exception:
            wrong += 1
    return wrong


if __name__ == "__main__":
    url, through_pgbouncer, first = sys.argv[1:]
    wrong = count_wrong(url, through_pgbouncer=through_pgbouncer == "yes", first=int(first))
    sys.stdout.write(str(asyncio.run(wrong)))
