"""Metrics of logged models: each point that a run logs about one is also the model's."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import Depends

from service.relational.logged_models.queries import add_rows
from service.relational.logged_models.repository import LoggedModelRepository
from service.relational.logged_models.tables import LoggedModelMetric
from service.stores.sql.context import SqlContext, SqlService


class ModelPoint(NamedTuple):
    """A point of a logged model's metric, about a dataset or, with empty texts, about none."""

    model_id: UUID
    key: str
    value: float
    timestamp: int
    step: int = 0
    dataset_name: str = ""
    dataset_digest: str = ""


class ModelMetrics(SqlService):
    """Writes the points of logged models, in the transaction that writes those of the run."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._models = LoggedModelRepository(context)

    async def add(self, run_id: UUID, points: Sequence[ModelPoint]) -> None:
        """Add the points that are new; the caller has checked the run.

        Raises:
            LoggedModelNotFound, ExperimentReadOnly, ExperimentDeleted: as LoggedModelRepository.
        """
        if not points:
            return
        experiments = await self._models.require_all({point.model_id for point in points})
        sent = [
            {**point._asdict(), "experiment_id": experiments[point.model_id]}
            for point in sorted(set(points), key=_order)
        ]
        await self._session.execute(add_rows(LoggedModelMetric, sent, run_id=run_id))


def _order(point: ModelPoint) -> tuple[Any, ...]:
    """Return the place of a point; NaN, which has none among numbers, is last."""
    model_id, key, value, *rest = point
    is_nan = value != value  # noqa: PLR0124
    return (model_id, key, is_nan, 0.0 if is_nan else value, *rest)


ModelMetricsDep = Annotated[ModelMetrics, Depends(ModelMetrics.from_request)]
