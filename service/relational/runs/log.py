"""Log a batch into a run: metrics, params and tags, all or nothing, and repeatable."""

from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple
from uuid import UUID

from fastapi import Depends

from service.core.errors import Conflict
from service.stores.sql.context import SqlService


class ParamChanged(Conflict):
    code, title = "param_changed", "Param has another value already"


class Point(NamedTuple):
    """A point of a metric's history; the timestamp is in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int = 0


class Logged(NamedTuple):
    """How many of each were new, or changed (tags)."""

    metrics: int
    params: int
    tags: int


class RunLog(SqlService):
    """As written next."""

    async def log(
        self,
        run_id: UUID,
        *,
        metrics: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Logged:
        """Store a batch in the request's transaction; too long values are cut.

        Raises:
            RunNotFound, RunDeleted, ExperimentReadOnly, ParamChanged.
        """
        raise NotImplementedError

    async def remove_tag(self, run_id: UUID, key: str) -> None:
        """Raises RunTagNotFound."""
        raise NotImplementedError


RunLogDep = Annotated[RunLog, Depends(RunLog.from_request)]
