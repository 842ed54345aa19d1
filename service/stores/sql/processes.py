"""The processes that use this database, each with the revision that its code needs.

A contract migration removes what older code uses, so it refuses while such a process is registered.
A process reports every 10 s and removes its row when it ends. A killed one counts for a minute.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, String, delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from service.core.errors import ServiceError
from service.stores.sql.base import Base
from service.stores.sql.engine import SqlStore
from service.stores.sql.migrations import expected_head

REPORT_SECONDS = 10.0


class ServiceProcess(Base):
    """One running process."""

    __tablename__ = "service_processes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int] = mapped_column(BigInteger)
    schema_head: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    reported_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


@asynccontextmanager
async def registered(sql: SqlStore) -> AsyncIterator[None]:
    """Keep this process registered; a store that does not answer is asked again later."""
    process_id = uuid7()
    reports = asyncio.create_task(_report(sql, process_id))
    try:
        yield
    finally:
        reports.cancel()
        await asyncio.gather(reports, return_exceptions=True)
        await _try(sql, delete(ServiceProcess).where(ServiceProcess.id == process_id))


async def _report(sql: SqlStore, process_id: UUID) -> None:
    row = {
        "id": process_id,
        "host": socket.gethostname()[:255],
        "pid": os.getpid(),
        "schema_head": expected_head(),
    }
    report = insert(ServiceProcess).values(row)
    report = report.on_conflict_do_update(
        index_elements=[ServiceProcess.id], set_={"reported_at": func.now()}
    )
    forgotten = ServiceProcess.reported_at < func.now() - func.make_interval(0, 0, 0, 1)
    await _try(sql, delete(ServiceProcess).where(forgotten))
    while True:
        await _try(sql, report)
        await asyncio.sleep(REPORT_SECONDS)


async def _try(sql: SqlStore, statement: object) -> None:
    async def work(session: AsyncSession) -> None:
        await session.execute(statement)  # type: ignore[call-overload]

    with suppress(ServiceError):
        await sql.run(work, writes=True)
