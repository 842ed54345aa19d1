"""Models that clients before 3.0 have logged: a list in a tag of the run."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from service.relational.runs.log import RunLog
from service.relational.runs.queries import Statement

TAG = "mlflow.log-model.history"
# Text that is no list is replaced. In one statement, so that of two at once none is lost.
_APPEND = Statement(f"""made AS (
        INSERT INTO run_tags AS t (run_id, experiment_id, key, value)
        SELECT target.id, target.experiment_id, '{TAG}', '[' || {{0}}::text || ']' FROM target
        ON CONFLICT (run_id, key) DO UPDATE SET value = CASE
            WHEN t.value LIKE '[{{{{%}}}}]' THEN left(t.value, -1) || ', ' || {{0}}::text || ']'
            ELSE EXCLUDED.value END
        RETURNING key
    )
    SELECT run.*, (SELECT count(*) FROM made) AS made FROM run
""")  # noqa: S608 - the name is ours


class ModelHistory(RunLog):
    """Adds to the list, in the request's transaction."""

    async def add(self, run_id: UUID, model: str) -> None:
        """Append a JSON object; raises as RunLog does."""
        await self._row(_APPEND, run_id, model)


ModelHistoryDep = Annotated[ModelHistory, Depends(ModelHistory.from_request)]
