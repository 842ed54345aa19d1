"""Inputs and outputs of runs: the datasets and logged models they read, and the models they made.

Repeating a request changes nothing: the first description of a dataset stays, and so do its tags.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from fastapi import Depends
from sqlalchemy import Text, Uuid, any_, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert
from uuid_utils.compat import uuid7

from service.core.errors import Collision, NotFound, Refused
from service.relational.experiments.repository import ExperimentReadOnly
from service.relational.experiments.tables import Experiment
from service.relational.experiments.visibility import editable_experiment, visible_experiment
from service.relational.logged_models.repository import LoggedModelNotFound
from service.relational.logged_models.schemas import DatasetRead, OutputModel, RunInputsRead
from service.relational.logged_models.tables import LoggedModel
from service.relational.runs.input_tables import Dataset, RunDataset, RunModel
from service.relational.runs.repository import RunDeleted, RunNotFound
from service.relational.runs.tables import DELETED_AT, Run
from service.stores.sql.context import SqlService

CONTEXT_TAG = "mlflow.data.context"
_DESCRIBED = ("name", "digest", "source_type", "source")


class RunOfInputGone(NotFound):
    code, title = "run_not_found", "Run does not exist"
    constraints = ("fk_run_datasets_run_id", "fk_run_models_run_id")


class DatasetRemoved(Collision):
    """A purge removed the dataset while it was logged again; a repetition makes it anew."""

    constraints = "fk_run_datasets_dataset_id"


class UnknownDirection(Refused):
    code, title = "direction", "Model of a run is neither input nor output"
    constraints = "ck_run_models_direction"


class UnknownModelStatus(Refused):
    code, title, pointer = "logged_model_status", "Unknown status of a logged model", "/status"
    constraints = "ck_logged_models_status"


class MadeAtOnce(Collision):
    constraints = ("uq_datasets_name_digest", "uq_logged_model_metrics_point")


class DatasetInput(NamedTuple):
    """A dataset as a run read it."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = {}


class RunInputs(SqlService):
    """Inputs and outputs belong to a run, and are seen and changed with its experiment."""

    async def read(self, run_id: UUID) -> RunInputsRead:
        """Return the inputs and outputs of a run that the caller sees; raise RunNotFound."""
        sees = select(Run.id).join(Experiment, Experiment.id == Run.experiment_id)
        sees = sees.where(Run.id == run_id, visible_experiment(self._caller))
        if await self._session.scalar(sees) is None:
            raise RunNotFound
        datasets = (
            select(*(getattr(Dataset, name) for name in _DESCRIBED), RunDataset.context)
            .add_columns(RunDataset.tags)
            .join(RunDataset, RunDataset.dataset_id == Dataset.id)
            .where(RunDataset.run_id == run_id)
            .order_by(Dataset.name, Dataset.digest)
        )
        links = select(RunModel.direction, RunModel.model_id, RunModel.step)
        links = links.where(RunModel.run_id == run_id).order_by(RunModel.step, RunModel.model_id)
        models = (await self._session.execute(links)).all()
        return RunInputsRead(
            datasets=[
                DatasetRead.model_validate(row) for row in await self._session.execute(datasets)
            ],
            input_models=[one.model_id for one in models if one.direction == "input"],
            output_models=[
                OutputModel(model_id=one.model_id, step=one.step)
                for one in models
                if one.direction == "output"
            ],
        )

    async def log(
        self,
        run_id: UUID,
        *,
        datasets: Sequence[DatasetInput] = (),
        models: Sequence[UUID] = (),
    ) -> None:
        """Add inputs to a run.

        Raises:
            RunNotFound, RunDeleted, ExperimentReadOnly: the run takes no writes of the caller.
            LoggedModelNotFound: the caller sees no such model.
        """
        experiment_id = await self._require(run_id)
        await self._add_datasets(run_id, experiment_id, datasets)
        await self._add_models(run_id, "input", [(model_id, 0) for model_id in models])

    async def log_outputs(self, run_id: UUID, models: Sequence[tuple[UUID, int]]) -> None:
        """Add logged models, and the step of each, to what a run made; raises as ``log`` does."""
        await self._require(run_id)
        await self._add_models(run_id, "output", models)

    async def _require(self, run_id: UUID) -> UUID:
        """Return the experiment of a run that the caller may change."""
        statement = (
            select(
                Run.experiment_id,
                DELETED_AT.is_not(None).label("is_deleted"),
                editable_experiment(self._caller).label("editable"),
            )
            .join(Experiment, Experiment.id == Run.experiment_id)
            .where(Run.id == run_id, visible_experiment(self._caller))
        )
        row = (await self._session.execute(statement)).one_or_none()
        if row is None:
            raise RunNotFound
        if not row.editable:
            raise ExperimentReadOnly
        if row.is_deleted:
            raise RunDeleted
        experiment_id: UUID = row.experiment_id
        return experiment_id

    async def _add_datasets(
        self, run_id: UUID, experiment_id: UUID, inputs: Sequence[DatasetInput]
    ) -> None:
        if not inputs:
            return
        first: dict[tuple[str, str], DatasetInput] = {}
        for one in inputs:
            first.setdefault((one.name, one.digest), one)
        ids = await self._dataset_ids(experiment_id, [first[key] for key in sorted(first)])
        rows = [
            {
                "run_id": run_id,
                "experiment_id": experiment_id,
                "dataset_id": ids[key],
                "context": first[key].tags.get(CONTEXT_TAG),
                "tags": dict(first[key].tags),
            }
            for key in sorted(first)
        ]
        await self._session.execute(insert(RunDataset).values(rows).on_conflict_do_nothing())

    async def _dataset_ids(
        self, experiment_id: UUID, inputs: Sequence[DatasetInput]
    ) -> Mapping[tuple[str, str], UUID]:
        """Return the ids of datasets by name and digest; those that are new are made."""
        known = await self._known(experiment_id, inputs)
        new = [one for one in inputs if (one.name, one.digest) not in known]
        if not new:
            return known
        rows = [
            {"id": uuid7(), "experiment_id": experiment_id, **_without_tags(one)} for one in new
        ]
        await self._session.execute(insert(Dataset).values(rows).on_conflict_do_nothing())
        # A statement of its own: its snapshot has what others have made meanwhile.
        known = await self._known(experiment_id, inputs)
        if len(known) < len(inputs):
            raise DatasetRemoved
        return known

    async def _known(
        self, experiment_id: UUID, inputs: Sequence[DatasetInput]
    ) -> dict[tuple[str, str], UUID]:
        names = literal([one.name for one in inputs], ARRAY(Text))
        digests = literal([one.digest for one in inputs], ARRAY(Text))
        pairs = func.unnest(names, digests).table_valued("name", "digest").render_derived()
        wanted = select(pairs.c.name, pairs.c.digest)
        found = select(Dataset.name, Dataset.digest, Dataset.id).where(
            Dataset.experiment_id == experiment_id,
            tuple_(Dataset.name, Dataset.digest).in_(wanted),
        )
        rows = await self._session.execute(found)
        return {(name, digest): key for name, digest, key in rows}

    async def _add_models(
        self,
        run_id: UUID,
        direction: Literal["input", "output"],
        models: Sequence[tuple[UUID, int]],
    ) -> None:
        if not models:
            return
        wanted = {model_id for model_id, _ in models}
        visible = (
            select(func.count())
            .select_from(LoggedModel)
            .join(Experiment, Experiment.id == LoggedModel.experiment_id)
            .where(
                LoggedModel.id == any_(literal(list(wanted), ARRAY(Uuid))),
                visible_experiment(self._caller),
            )
        )
        if await self._session.scalar(visible) != len(wanted):
            raise LoggedModelNotFound
        rows = [
            {"run_id": run_id, "direction": direction, "model_id": model_id, "step": step}
            for model_id, step in sorted(set(models))
        ]
        await self._session.execute(insert(RunModel).values(rows).on_conflict_do_nothing())


def _without_tags(dataset: DatasetInput) -> dict[str, Any]:
    fields = dataset._asdict()
    del fields["tags"]
    return fields


RunInputsDep = Annotated[RunInputs, Depends(RunInputs.from_request)]
