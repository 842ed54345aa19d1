"""The tag of a logged model that names the versions registered from it, as MLflow's clients do."""

import json
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.auth.caller import Caller
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import editable_experiment
from service.relational.logged_models.tables import LoggedModel, LoggedModelTag

KEY = "mlflow.modelVersions"


async def note_version(
    session: AsyncSession, caller: Caller, model_id: UUID, name: str, number: int
) -> None:
    """Add a version to the tag of its logged model, which stays locked until the end.

    Nothing changes where the caller may not change the model's experiment, because users who only
    read a model may register it.
    """
    changes_it = (Experiment.id == LoggedModel.experiment_id) & editable_experiment(caller)
    statement = (
        update(LoggedModel)
        .where(LoggedModel.id == model_id, exists().where(changes_it))
        .values(version=LoggedModel.version + 1)
        .returning(LoggedModel.experiment_id)
    )
    experiment_id = await session.scalar(statement)
    if experiment_id is None:
        return
    tag = LoggedModelTag
    known = select(tag.value).where(tag.model_id == model_id, tag.key == KEY)
    version = {"name": name, "version": number}  # a number, as MLflow's server writes it
    value = _with(version, await session.scalar(known))
    put = insert(tag).values(model_id=model_id, experiment_id=experiment_id, key=KEY, value=value)
    await session.execute(
        put.on_conflict_do_update(
            index_elements=["model_id", "key"], set_={"value": put.excluded.value}
        )
    )


def _with(version: dict[str, Any], text: str | None) -> str:
    """Return a tag with one more version; clients write it too, and may write anything."""
    try:
        known = json.loads(text or "[]")
        return json.dumps([*(known if isinstance(known, list) else ()), version])
    except (ValueError, RecursionError):
        return json.dumps([version])
