"""Log a batch into a run: metrics, params and tags, all or nothing, and repeatable."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends

from service.core.errors import MAX_ERRORS, Collision, Conflict, Refused, field_error
from service.relational.experiments.repository import ExperimentReadOnly
from service.relational.runs.queries import (
    ADD_PARAMS,
    ADD_POINTS,
    CHANGED_PARAMS,
    MAKE_SERIES,
    PUT_TAGS,
    REMOVE_TAG,
    RENAME,
    Statement,
    keep_plans,
)
from service.relational.runs.repository import (
    NAME_TAG,
    RunDeleted,
    RunNotFound,
    RunTagNotFound,
)
from service.relational.runs.schemas import MAX_PARAM, MAX_TAG, Point, RunLogged
from service.stores.sql.context import SqlService

__all__ = ["NameStays", "ParamChanged", "Point", "RunLog", "RunLogDep", "SeriesMade"]


class ParamChanged(Conflict):
    code, title = "param_changed", "Param has another value already"
    detail = "A param of a run never changes; log another key, or another run."

    def __init__(self, keys: Sequence[str] = ()) -> None:
        places = [
            field_error("/params/" + key.replace("~", "~0").replace("/", "~1"), self.code, key)
            for key in keys[:MAX_ERRORS]
        ]
        super().__init__(errors=places)


class NameStays(Conflict):
    code, title = "run_name_stays", "Tag is the run's name"
    detail = "A run always has a name; change it instead."


class NameMissing(Refused):
    code, title = "run_name_missing", "A run's name is never empty"
    detail = "Send a text in the tag mlflow.runName."


class SeriesMade(Collision):
    constraints = "uq_run_metrics_run_id_key"


class RunLog(SqlService):
    """Writes below a run, in the request's transaction; too long values are cut.

    Params come first, then tags, the name and metrics, so that no two batches wait for each other.
    Every method raises RunNotFound, ExperimentReadOnly or RunDeleted.
    """

    async def log(
        self,
        run_id: UUID,
        *,
        metrics: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> RunLogged:
        """Store a batch and return how much of it was new; an empty one checks the run alone.

        Raises:
            ParamChanged: a param has another value.
            NameMissing: the tag mlflow.runName is empty.
        """
        new_params = await self._add_params(run_id, params or {})
        new_tags = (
            await self._put_tags(run_id, tags or {}) if tags or not (metrics or params) else 0
        )
        new_points = await self._add_points(run_id, metrics) if metrics else 0
        return RunLogged(metrics=new_points, params=new_params, tags=new_tags)

    async def remove_tag(self, run_id: UUID, key: str) -> None:
        """Remove a tag; raise RunTagNotFound where there is none, NameStays for the run's name."""
        if key == NAME_TAG:
            raise NameStays
        if not (await self._row(REMOVE_TAG, run_id, key))["made"]:
            raise RunTagNotFound

    async def _add_params(self, run_id: UUID, params: Mapping[str, str]) -> int:
        if not params:
            return 0
        texts = list(params), [value[:MAX_PARAM] for value in params.values()]
        made: int = (await self._row(ADD_PARAMS, run_id, *texts))["made"]
        if made < len(params):
            changed = (await self._row(CHANGED_PARAMS, run_id, *texts))["changed"]
            if changed:
                raise ParamChanged(changed)
        return made

    async def _put_tags(self, run_id: UUID, tags: Mapping[str, str]) -> int:
        rows = {key: value[:MAX_TAG] for key, value in tags.items()}
        name = rows.pop(NAME_TAG, None)
        if name == "":
            raise NameMissing
        made = 0
        if rows or name is None:
            row = await self._row(PUT_TAGS, run_id, list(rows), list(rows.values()))
            made += row["made"]
        if name is not None:
            made += (await self._row(RENAME, run_id, name))["made"]
        return made

    async def _add_points(self, run_id: UUID, points: Sequence[Point]) -> int:
        keys, values, timestamps, steps = map(list, zip(*points, strict=True))
        wanted = list(dict.fromkeys(keys))
        arguments = keys, timestamps, steps, values, wanted
        await keep_plans(self._session)
        row = await self._row(ADD_POINTS, run_id, *arguments)
        if row["found"] < len(wanted):
            row = await self._row(MAKE_SERIES, run_id, *arguments)
        if row["found"] < len(wanted):
            raise RunNotFound  # it was purged meanwhile
        made: int = row["made"]
        return made

    async def _row(self, statement: Statement, run_id: UUID, *arguments: Any) -> Mapping[str, Any]:
        row = await statement.row(self._session, self._caller, run_id, *arguments)
        if row is None:
            raise RunNotFound
        if not row["editable"]:
            raise ExperimentReadOnly
        if row["is_deleted"]:
            raise RunDeleted
        return row


RunLogDep = Annotated[RunLog, Depends(RunLog.from_request)]
