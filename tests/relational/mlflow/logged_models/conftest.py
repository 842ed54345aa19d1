"""An experiment with two runs, and a client of MLflow's addresses."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import httpx2
import pytest
from fastapi import Request
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from service.main import State
from service.relational.experiments.tables import Experiment
from service.relational.logged_models.log_metrics import ModelMetrics, ModelPoint
from service.relational.runs.tables import Run
from service.stores.sql.base import Base
from service.stores.sql.context import SqlContext
from tests.fixtures.client import ADMINISTRATOR

RUN = {
    "name": "r",
    "user_name": "u",
    "status": "RUNNING",
    "started_at": datetime(2026, 1, 5, tzinfo=UTC),
}


class Tracking(NamedTuple):
    """Speaks MLflow's protocol; ``experiment`` and the runs are ids as its clients have them."""

    client: httpx2.AsyncClient
    state: State
    experiment: str
    run: str
    other_run: str

    async def call(self, method: str, path: str, **body: Any) -> Any:
        """Return the answer to a request that succeeds."""
        answered = await self.send(method, path, **body)
        assert answered.status_code == 200, answered.text
        return answered.json()

    async def refused(self, method: str, path: str, **body: Any) -> tuple[int, str]:
        """Return the status and the error code of a request that fails."""
        answered = await self.send(method, path, **body)
        return answered.status_code, answered.json()["error_code"]

    async def send(self, method: str, path: str, **body: Any) -> httpx2.Response:
        sent = {"params": body} if method == "GET" else {"json": body}
        return await self.client.request(method, f"/api/2.0/mlflow{path}", **sent)  # type: ignore[arg-type]

    async def model(self, **fields: Any) -> Any:
        """Return a new logged model."""
        made = await self.call("POST", "/logged-models", experiment_id=self.experiment, **fields)
        return made["model"]

    async def add_points(self, points: Sequence[ModelPoint]) -> None:
        """Log points of logged models by the run."""

        async def write(session: AsyncSession) -> None:
            await ModelMetrics(context_of(session)).add(UUID(self.run), points)

        await self.state["sql"].run(write, writes=True)

    async def rows(self, *columns: Any) -> list[Any]:
        async with self.state["sql"].engine.connect() as connection:
            return [*await connection.execute(select(*columns))]


def context_of(session: AsyncSession) -> SqlContext:
    """Return an administrator's request in this session."""
    request = Request({"type": "http", "state": {"sql_session": session}})
    paginator: Any = None  # there are no lists
    return SqlContext(request=request, caller=ADMINISTRATOR, paginator=paginator)


@pytest.fixture
async def tracking(client: httpx2.AsyncClient, state: State) -> Tracking:
    experiment, runs = uuid7(), [uuid7(), uuid7()]
    rows: list[tuple[type[Base], dict[str, Any]]] = [
        (Experiment, {"id": experiment, "name": "churn"}),
        *((Run, {**RUN, "id": key, "experiment_id": experiment}) for key in runs),
    ]
    async with state["sql"].engine.begin() as connection:
        for table, row in rows:
            await connection.execute(insert(table).values(**row))
    return Tracking(client, state, _hex(experiment), *map(_hex, runs))


def _hex(key: UUID) -> str:
    return key.hex
