"""Compare runs: the params that differ, those that are the same, and metrics side by side."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Depends
from sqlalchemy import ARRAY, Uuid, any_, column, func, literal, select

from service.core.errors import Refused
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.runs.reading.run_json import best_of, mean_of
from service.relational.runs.reading.schemas import STATISTICS
from service.relational.runs.repository import RunNotFound
from service.relational.runs.tables import Run, RunMetric, RunParam
from service.stores.sql.context import SqlService
from service.web.schemas import format_time

MOST_VALUES = 100_000  # of params, and of metrics: half a second of work (measured)
SHOWN = ("latest", *STATISTICS)


class TooMuchToCompare(Refused):
    code, title, pointer = "too_much_to_compare", "Runs have too many values", "/run_ids"
    detail = f"Send fewer runs: together they may have {MOST_VALUES} params and as many metrics."


class RunComparison(SqlService):
    async def compare(self, run_ids: Sequence[UUID]) -> bytes:
        """Return the comparison as JSON; each list of values is in the order of ``run_ids``.

        Raises:
            RunNotFound: the caller does not see one of them.
            TooMuchToCompare: they have more values than are compared at once.
        """
        wanted = list(dict.fromkeys(run_ids))
        runs = await self._runs(wanted)
        params = await self._params(wanted)
        same = {
            key: values[0]
            for key, values in params.items()
            if None not in values and len(set(values)) == 1
        }
        different = {key: values for key, values in params.items() if key not in same}
        compared = {
            "runs": runs,
            "same_params": same,
            "different_params": different,
            "metrics": await self._metrics(wanted),
        }
        return msgspec.json.encode(compared)

    async def _runs(self, wanted: Sequence[UUID]) -> list[dict[str, Any]]:
        names = ("id", "experiment_id", "name", "user_name", "status", "started_at", "ended_at")
        statement = (
            select(*(getattr(Run, name) for name in names))
            .join(Experiment, Experiment.id == Run.experiment_id)
            .where(Run.id == _any(wanted), visible_experiment(self._caller))
        )
        found = {row.id: row for row in await self._session.execute(statement)}
        if unknown := [run_id for run_id in wanted if run_id not in found]:
            raise RunNotFound(f"There is no run {unknown[0]} that you see.")
        return [
            {
                **found[run_id]._mapping,
                "started_at": format_time(found[run_id].started_at),
                "ended_at": found[run_id].ended_at and format_time(found[run_id].ended_at),
            }
            for run_id in wanted
        ]

    async def _params(self, wanted: Sequence[UUID]) -> dict[str, list[str | None]]:
        found = await self._values(RunParam, wanted, RunParam.value)
        return {key: _placed(places, values, len(wanted)) for key, places, values in found}

    async def _metrics(self, wanted: Sequence[UUID]) -> dict[str, dict[str, list[Any]]]:
        goals = select(Experiment.goals).where(Experiment.id == RunMetric.experiment_id)
        best = best_of(RunMetric, goals.scalar_subquery(), RunMetric.key)
        columns = (RunMetric.value, best, RunMetric.least, RunMetric.greatest, mean_of(RunMetric))
        return {
            key: {
                name: _placed(places, map(shown_number, numbers), len(wanted))
                for name, numbers in zip(SHOWN, lists, strict=True)
            }
            for key, places, *lists in await self._values(RunMetric, wanted, *columns)
        }

    async def _values(self, child: Any, wanted: Sequence[UUID], *columns: Any) -> Sequence[Any]:
        """Return each key, the places of its runs among ``wanted``, and a list of each column.

        Arrays of PostgreSQL, because a row for each value takes five times as long (measured).

        Raises:
            TooMuchToCompare: before the values are read.
        """
        of_runs = child.run_id == _any(wanted)
        count = await self._session.scalar(select(func.count()).select_from(child).where(of_runs))
        if count is not None and count > MOST_VALUES:
            raise TooMuchToCompare
        sent = (
            func.unnest(literal(list(wanted), ARRAY(Uuid)))
            .table_valued(column("run_id", Uuid), with_ordinality="place", name="sent")
            .render_derived()
        )
        lists = (func.array_agg(value) for value in (sent.c.place - 1, *columns))
        statement = (
            select(child.key, *lists)
            .join(sent, sent.c.run_id == child.run_id)
            .group_by(child.key)
            .order_by(child.key)
        )
        return (await self._session.execute(statement)).all()


def _placed(places: Iterable[int], values: Iterable[Any], count: int) -> list[Any]:
    """Return so many values, None where a run has none."""
    placed = [None] * count
    for place, value in zip(places, values, strict=True):
        placed[place] = value
    return placed


def shown_number(number: float | None) -> float | str | None:
    """Return a number as JSON has it: NaN and infinities as text."""
    if number is None or math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _any(run_ids: Sequence[UUID]) -> Any:
    return any_(literal(list(run_ids), ARRAY(Uuid)))


RunComparisonDep = Annotated[RunComparison, Depends(RunComparison.from_request)]
