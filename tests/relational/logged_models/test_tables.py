"""Logged models after their run or their experiment was removed."""

from uuid import UUID

from sqlalchemy import delete

from service.relational.experiments.tables import Experiment
from service.relational.logged_models.tables import LoggedModel, LoggedModelMetric
from service.relational.runs.input_tables import Dataset, RunDataset, RunModel
from service.relational.runs.tables import ArtifactRemoval, Run
from tests.relational.mlflow.logged_models.conftest import Tracking

DATASET = {"name": "iris", "digest": "a", "source_type": "local", "source": "{}"}


async def _fill(tracking: Tracking) -> UUID:
    key: str = (await tracking.model(source_run_id=tracking.run))["info"]["model_id"]
    datasets = [{"dataset": DATASET}]
    await tracking.call("POST", "/runs/log-inputs", run_id=tracking.run, datasets=datasets)
    models = [{"model_id": key}]
    await tracking.call("POST", "/runs/outputs", run_id=tracking.run, models=models)
    metric = {"key": "acc", "value": 1, "timestamp": 7, "model_id": key}
    await tracking.call("POST", "/runs/log-metric", run_id=tracking.run, **metric)
    return UUID(key[2:])


async def test_model_outlives_its_run(tracking: Tracking) -> None:
    await _fill(tracking)
    async with tracking.state["sql"].engine.begin() as connection:
        await connection.execute(delete(Run).where(Run.id == UUID(tracking.run)))
    assert await tracking.rows(LoggedModel.source_run_id) == [(None,)]
    assert await tracking.rows(LoggedModelMetric.key) == [("acc",)]
    assert await tracking.rows(RunDataset.run_id) == await tracking.rows(RunModel.run_id) == []


async def test_removed_experiment_notes_artifacts_of_models(tracking: Tracking) -> None:
    model_id = await _fill(tracking)
    async with tracking.state["sql"].engine.begin() as connection:
        await connection.execute(delete(Run))
        experiment_id = UUID(tracking.experiment)
        await connection.execute(delete(Experiment).where(Experiment.id == experiment_id))
    removals = ArtifactRemoval.owner_id, ArtifactRemoval.kind, ArtifactRemoval.experiment_id
    assert (model_id, "model", experiment_id) in await tracking.rows(*removals)
    for column in (LoggedModel.id, LoggedModelMetric.id, Dataset.id):
        assert await tracking.rows(column) == []


async def test_purged_run_takes_the_datasets_that_it_alone_read(tracking: Tracking) -> None:
    runs = {tracking.run: ("a", "b"), tracking.other_run: ("b",)}
    for run, digests in runs.items():
        datasets = [{"dataset": {**DATASET, "digest": digest}} for digest in digests]
        await tracking.call("POST", "/runs/log-inputs", run_id=run, datasets=datasets)
    await tracking.client.delete(f"/v1/runs/{UUID(tracking.run)}")
    purged = await tracking.client.post(f"/v1/runs/{UUID(tracking.run)}/purge")
    assert purged.json()["complete"]
    assert await tracking.rows(Dataset.digest) == [("b",)]
