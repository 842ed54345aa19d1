"""Versions of registered models that were made of a logged model: a tag of the latter.

MLflow's clients read and write the tag ``mlflow.modelVersions``, a list of names and versions.
"""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy import Text, case, cast, literal, literal_column
from sqlalchemy.dialects.postgresql import JSONB, insert

from service.relational.logged_models.repository import LoggedModelRepository
from service.relational.logged_models.tables import LoggedModelTag
from service.stores.sql.context import SqlContext, SqlService

VERSIONS_TAG = "mlflow.modelVersions"


class ModelVersionsTag(SqlService):
    """Tells a logged model which registered versions were made of it."""

    def __init__(self, context: SqlContext) -> None:
        super().__init__(context)
        self._models = LoggedModelRepository(context)

    async def add(self, model_id: UUID, name: str, version: int) -> None:
        """Add a registered version to the model's tag, once.

        Text in the tag that is no list is replaced. The row is locked, so that of several versions
        at once none is lost.

        Raises:
            LoggedModelNotFound, ExperimentReadOnly, ExperimentDeleted: as LoggedModelRepository.
        """
        experiment_id = await self._models.require(model_id)
        added = literal([{"name": name, "version": str(version)}], JSONB)
        is_list = LoggedModelTag.value.bool_op("IS JSON")(literal_column("ARRAY"))
        stored = cast(LoggedModelTag.value, JSONB)
        put = insert(LoggedModelTag).values(
            model_id=model_id,
            experiment_id=experiment_id,
            key=VERSIONS_TAG,
            value=cast(added, Text),
        )
        extended = case(
            (~is_list, cast(added, Text)),
            (stored.contains(added), LoggedModelTag.value),
            else_=cast(stored.concat(added), Text),
        )
        await self._session.execute(
            put.on_conflict_do_update(index_elements=["model_id", "key"], set_={"value": extended})
        )


ModelVersionsTagDep = Annotated[ModelVersionsTag, Depends(ModelVersionsTag.from_request)]
