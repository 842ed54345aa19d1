"""Compare runs: the params that differ, those that are the same, and metrics side by side."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Depends
from sqlalchemy import ARRAY, Select, Uuid, any_, func, literal, select

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
        places = {run_id: place for place, run_id in enumerate(wanted)}
        params = await self._params(places)
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
            "metrics": await self._metrics(places),
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

    async def _params(self, places: Mapping[UUID, int]) -> dict[str, list[str | None]]:
        statement = select(RunParam.run_id, RunParam.key, RunParam.value).order_by(RunParam.key)
        found: dict[str, list[str | None]] = {}
        for run_id, key, value in await self._values(statement, RunParam, places):
            found.setdefault(key, [None] * len(places))[places[run_id]] = value
        return found

    async def _metrics(self, places: Mapping[UUID, int]) -> dict[str, dict[str, list[Any]]]:
        best = best_of(RunMetric, Experiment.goals, RunMetric.key)
        values = (RunMetric.value, best, RunMetric.least, RunMetric.greatest, mean_of(RunMetric))
        statement = (
            select(RunMetric.run_id, RunMetric.key, *values)
            .join(Experiment, Experiment.id == RunMetric.experiment_id)
            .order_by(RunMetric.key)
        )
        found: dict[str, dict[str, list[Any]]] = {}
        for run_id, key, *numbers in await self._values(statement, RunMetric, places):
            if key not in found:
                found[key] = {name: [None] * len(places) for name in SHOWN}
            for name, number in zip(SHOWN, numbers, strict=True):
                found[key][name][places[run_id]] = shown_number(number)
        return found

    async def _values(
        self, statement: Select[*tuple[Any, ...]], child: Any, places: Mapping[UUID, int]
    ) -> Sequence[Any]:
        """Return the values of these runs; raise TooMuchToCompare before they are read."""
        of_runs = child.run_id == _any(list(places))
        count = await self._session.scalar(select(func.count()).select_from(child).where(of_runs))
        if count is not None and count > MOST_VALUES:
            raise TooMuchToCompare
        rows: Sequence[Any] = (await self._session.execute(statement.where(of_runs))).all()
        return rows


def shown_number(number: float | None) -> float | str | None:
    """Return a number as JSON has it: NaN and infinities as text."""
    if number is None or math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _any(run_ids: Sequence[UUID]) -> Any:
    return any_(literal(list(run_ids), ARRAY(Uuid)))


RunComparisonDep = Annotated[RunComparison, Depends(RunComparison.from_request)]
