"""Models that clients before 3.0 have logged: a list in a tag of the run."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from service.core.errors import Refused
from service.relational.runs.log import RunLog
from service.relational.runs.queries import Statement

TAG = "mlflow.log-model.history"
MAX_BYTES = 2**20  # of the list, which each answer with the run repeats
# Text that is no list is replaced, and a model that is in the list already is not added again. In
# one statement, so that of two at once none is lost.
_APPEND = Statement(f"""made AS (
        INSERT INTO run_tags AS t (run_id, experiment_id, key, value)
        SELECT target.id, target.experiment_id, '{TAG}', '[' || {{0}}::text || ']' FROM target
        ON CONFLICT (run_id, key) DO UPDATE SET value = CASE
            WHEN strpos(', ' || substr(t.value, 2, length(t.value) - 2) || ', ',
                ', ' || {{0}}::text || ', ') > 0 THEN t.value
            WHEN t.value LIKE '[{{{{%}}}}]' THEN left(t.value, -1) || ', ' || {{0}}::text || ']'
            ELSE EXCLUDED.value END
        RETURNING octet_length(value) AS bytes
    )
    SELECT run.*, (SELECT bytes FROM made) AS bytes FROM run
""")  # noqa: S608 - the name is ours


class TooManyModels(Refused):
    code, title = "too_many_models", "Run has too many models"
    detail = f"Log other models to other runs: their list has at most {MAX_BYTES} bytes."


class ModelHistory(RunLog):
    """Adds to the list, in the request's transaction."""

    async def add(self, run_id: UUID, model: str) -> None:
        """Append a JSON object that is not in the list yet.

        Raises:
            TooManyModels: the list would be longer than MAX_BYTES.
            NotFound, Conflict: as RunLog does.
        """
        if (await self._row(_APPEND, run_id, model))["bytes"] > MAX_BYTES:
            raise TooManyModels


ModelHistoryDep = Annotated[ModelHistory, Depends(ModelHistory.from_request)]
