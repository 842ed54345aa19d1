"""Remove a deleted logged model for good; a purge of its experiment removes it too."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import select

from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import purgeable_experiment, visible_experiment
from service.relational.logged_models.repository import LoggedModelNotFound
from service.relational.logged_models.schemas import LoggedModelPurged
from service.relational.logged_models.tables import LoggedModel
from service.relational.runs.purge import MODELS, Purge, require_purgeable


class ModelPurge(Purge):
    async def model(self, model_id: UUID) -> LoggedModelPurged:
        """Remove a deleted logged model, or a part of its metrics.

        Raises:
            LoggedModelNotFound, PurgeForbidden.
            NotDeleted: it is to be deleted first.
        """
        locked = (
            select(LoggedModel.deleted_at, purgeable_experiment(self._caller))
            .join(Experiment, Experiment.id == LoggedModel.experiment_id)
            .where(LoggedModel.id == model_id, visible_experiment(self._caller))
            .with_for_update(of=LoggedModel)
        )
        row = (await self._session.execute(locked)).one_or_none()
        if row is None:
            raise LoggedModelNotFound
        require_purgeable(row)
        return LoggedModelPurged(complete=await self._remove_models(MODELS.c.id == model_id))


ModelPurgeDep = Annotated[ModelPurge, Depends(ModelPurge.from_request)]
