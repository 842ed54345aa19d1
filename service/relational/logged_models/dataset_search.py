"""Which datasets the runs of some experiments read, and what for."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ARRAY, Row, Uuid, any_, literal, select

from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import visible_experiment
from service.relational.runs.input_tables import Dataset, RunDataset
from service.stores.sql.context import SqlService

MOST_SUMMARIES = 1000  # as MLflow's server has it; the address knows no pages


class DatasetSearch(SqlService):
    """Finds datasets of experiments that the caller sees."""

    async def summaries(
        self, experiment_ids: Sequence[UUID]
    ) -> Sequence[Row[UUID, str, str, str | None]]:
        """Return experiment_id, name, digest and context, each once, in this order."""
        shown = Dataset.experiment_id, Dataset.name, Dataset.digest, RunDataset.context
        statement = (
            select(*shown)
            .join(RunDataset, RunDataset.dataset_id == Dataset.id)
            .join(Experiment, Experiment.id == Dataset.experiment_id)
            .where(
                Dataset.experiment_id == any_(literal(list(experiment_ids), ARRAY(Uuid))),
                visible_experiment(self._caller),
            )
            .distinct()
            .order_by(*shown)
            .limit(MOST_SUMMARIES)
        )
        return (await self._session.execute(statement)).all()


DatasetSearches = Annotated[DatasetSearch, Depends(DatasetSearch.from_request)]
