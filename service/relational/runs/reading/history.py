"""Histories of metrics: paged, or sampled in SQL, as JSON that PostgreSQL writes.

Points come by timestamp, step and value, the order of their primary key.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Depends
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Double,
    Select,
    Text,
    Uuid,
    any_,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)

from service.core.errors import Refused
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.runs.reading.json_text import list_text, object_text
from service.relational.runs.reading.run_json import hexadecimal
from service.relational.runs.repository import RunNotFound
from service.relational.runs.tables import MetricPoint, Run, RunMetric
from service.relational.search_language.page_tokens import PageTokens
from service.stores.sql.context import SqlService

_ORDER = (MetricPoint.timestamp, MetricPoint.step, MetricPoint.value)
_TYPES: tuple[Any, ...] = (BigInteger(), BigInteger(), Double())
MOST_SAMPLED = 1_000_000  # points that are numbered for a sample: 0.6 s of CPU (measured)


class TooManyPoints(Refused):
    code, title = "too_many_points", "Histories have too many points for a sample"
    detail = (
        f"A sample is taken of {MOST_SAMPLED:,} points at most: send fewer runs, or read each "
        "history in pages."
    )


class FoundPoints(NamedTuple):
    """Points as a JSON array, and the token of the next page if there is one."""

    text: str
    next_token: str | None


class MetricHistory(SqlService):
    """Reads the histories of runs that the caller sees; unknown runs and keys have none."""

    async def page(
        self, run_id: UUID, key: str, *, limit: int, token: str | None = None, mlflow: bool = False
    ) -> FoundPoints:
        """Return a page of a history: ``[{"timestamp_ms", "step", "value"}]``.

        With ``mlflow``, points are ``{"key", "value", "timestamp", "step"}``.

        Raises:
            BadCursor: the token is of another history.
        """
        tokens = PageTokens(self._context.request.state.signer, "history", run_id, key)
        end = tokens.read(token)
        series = self._series([run_id], key).subquery()
        points = select(*_ORDER).where(
            MetricPoint.metric_id == select(series.c.metric_id).scalar_subquery()
        )
        if end is not None:
            # As a row, so that the index is entered there; NaN is greater than all.
            last = (literal(value, type_) for value, type_ in zip(end[:3], _TYPES, strict=True))
            points = points.where(tuple_(*_ORDER) > tuple_(*last))
        page = points.order_by(*_ORDER).limit(limit + 1).cte("page")
        shown = select(page).limit(limit).subquery("shown")
        columns = _mlflow(shown, key) if mlflow else _own(shown)
        ends = select(page).offset(limit - 1).limit(2).subquery("ends")
        text = select(_list(columns)).select_from(shown).scalar_subquery()
        rows = await self._session.execute(
            select(text, ends).select_from(
                select(literal(1)).subquery("one").outerjoin(ends, literal_column("true"))
            )
        )
        found = rows.all()
        written, *values = found[0]
        following = tokens.write((*values, run_id)) if len(found) > 1 else None
        return FoundPoints(written or "[]", following)

    async def sample(
        self,
        run_ids: Sequence[UUID],
        key: str,
        *,
        points: int,
        steps: tuple[int, int] | None = None,
        mlflow: bool = False,
    ) -> str:
        """Return some points of the history of each run, chosen by their places, as a JSON array.

        The first and the last one of each run are among them; the others lie evenly between.

        Args:
            run_ids: at most 100.
            key: of the metric.
            points: the most of each run, at least 2.
            steps: the first and the last step of the interval.
            mlflow: whether points are as MLflow writes them, with ``run_id``.

        Raises:
            TooManyPoints: the histories together are too long.
        """
        await self._check_length(run_ids, key)
        series = self._series(run_ids, key).subquery("series")
        of_series = MetricPoint.metric_id == series.c.metric_id
        if steps is not None:
            of_series &= MetricPoint.step.between(*steps)
        # Series by series, so that the index has the points in their order and none is sorted.
        place = func.row_number().over(order_by=_ORDER) - 1
        numbered = select(*_ORDER, place.label("place")).where(of_series).lateral("numbered")
        last = select((func.count() - 1).label("last")).where(of_series).lateral("counted")
        all_ = select(series.c.run_id, numbered, last).select_from(
            series.join(last, true()).join(numbered, true())
        )
        return await self._written(_spread(all_.subquery("all_points"), points), key, mlflow=mlflow)

    async def of_runs(self, run_ids: Sequence[UUID], key: str, *, limit: int) -> str:
        """Return the first points of several runs as MLflow writes them, run after run."""
        series = self._series(run_ids, key).subquery("series")
        points = (
            select(series.c.run_id, *_ORDER)
            .join(MetricPoint, MetricPoint.metric_id == series.c.metric_id)
            .order_by(series.c.run_id, *_ORDER)
            .limit(limit)
        )
        return await self._written(points, key, mlflow=True)

    async def require(self, run_id: UUID) -> None:
        """Raise RunNotFound if the caller sees no such run."""
        visible = visible_experiment(self._caller)
        known = select(Run.id).join(Experiment, Experiment.id == Run.experiment_id)
        if await self._session.scalar(known.where(Run.id == run_id, visible)) is None:
            raise RunNotFound

    async def _check_length(self, run_ids: Sequence[UUID], key: str) -> None:
        counts = self._series(run_ids, key).with_only_columns(func.sum(RunMetric.count))
        count: int | None = await self._session.scalar(counts)
        if count is not None and count > MOST_SAMPLED:
            raise TooManyPoints

    def _series(self, run_ids: Sequence[UUID], key: str) -> Select[*tuple[Any, ...]]:
        """Return the series of a metric of the runs that the caller sees."""
        return (
            select(RunMetric.id.label("metric_id"), RunMetric.run_id)
            .join(Experiment, Experiment.id == RunMetric.experiment_id)
            .where(
                RunMetric.run_id == any_(literal(list(run_ids), ARRAY(Uuid))),
                RunMetric.key == key,
                visible_experiment(self._caller),
            )
        )

    async def _written(self, points: Select[*tuple[Any, ...]], key: str, *, mlflow: bool) -> str:
        found = points.subquery("found")
        columns = _mlflow(found, key, run_id=True) if mlflow else _own(found)
        whole = select(_list(columns)).select_from(found)
        return await self._session.scalar(whole) or "[]"


def _spread(numbered: Any, points: int) -> Select[*tuple[Any, ...]]:
    """Return the points whose place begins one of the parts of a history."""
    place, last = numbered.c.place, numbered.c.last
    part = (place * (points - 1)).op("/")(func.nullif(last, 0))
    before = ((place - 1) * (points - 1)).op("/")(func.nullif(last, 0))
    chosen = or_(place == 0, last < points, part > before)
    names = ("run_id", "timestamp", "step", "value")
    return (
        select(*(numbered.c[name] for name in names))
        .where(chosen)
        .order_by(numbered.c.run_id, place)
    )


def _list(columns: Iterable[Any]) -> Any:
    return list_text(object_text({column.name: column for column in columns}))


def _own(points: Any) -> list[Any]:
    return [points.c.timestamp.label("timestamp_ms"), points.c.step, points.c.value]


def _mlflow(points: Any, key: str, *, run_id: bool = False) -> list[Any]:
    # As a subquery, which runs once and not for each point.
    name = select(func.to_json(literal(key, Text), type_=JSON)).scalar_subquery().label("key")
    columns = [name, points.c.value, points.c.timestamp, points.c.step]
    return [*columns, hexadecimal(points.c.run_id).label("run_id")] if run_id else columns


MetricHistoryDep = Annotated[MetricHistory, Depends(MetricHistory.from_request)]
