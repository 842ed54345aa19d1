"""Purged runs and logged models whose artifacts in MongoDB are still to be removed."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.artifact_owners import ArtifactRemovals, ArtifactRoot
from service.relational.runs.tables import ArtifactRemoval
from service.stores.sql.bulk import any_of
from service.stores.sql.engine import SqlStore


class PurgedArtifacts(ArtifactRemovals):
    """The rows that a purge has written in its own transaction; each call opens a short session."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def pending(self, limit: int, min_age: timedelta) -> Sequence[ArtifactRoot]:
        row = ArtifactRemoval
        oldest = (
            select(row.experiment_id, row.kind, row.owner_id)
            .where(row.created_at <= func.now() - min_age)
            .order_by(row.created_at, row.owner_id)
            .limit(limit)
        )

        async def read(session: AsyncSession) -> Sequence[ArtifactRoot]:
            rows: Sequence[Any] = (await session.execute(oldest)).all()
            return [ArtifactRoot(*row) for row in rows]

        return await self._store.run(read, writes=False)

    async def done(self, roots: Sequence[ArtifactRoot]) -> None:
        owners = [root.owner_id for root in roots]
        removed = delete(ArtifactRemoval).where(any_of(ArtifactRemoval.owner_id, owners))

        async def write(session: AsyncSession) -> None:
            await session.execute(removed)

        await self._store.run(write, writes=True)
