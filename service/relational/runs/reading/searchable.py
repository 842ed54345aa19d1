"""Names that a search of runs knows, as MLflow has them and beyond.

``metrics.loss`` is the latest value. ``best.loss``, ``least.loss``, ``greatest.loss`` and
``mean.loss`` are of the whole history, without NaN; they are entities of their own, because a key
may have dots. The best value is the least or the greatest, by the experiment's ``goals``.
"""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, and_, any_, bindparam, select, true
from sqlalchemy.orm import aliased

from service.relational.experiments.tables import Experiment
from service.relational.runs.input_tables import Dataset, RunDataset
from service.relational.runs.reading.run_json import (
    NAME_TAG,
    artifact_uri,
    best_of,
    hexadecimal,
    mean_of,
)
from service.relational.runs.tables import Run, RunMetric, RunParam, RunTag
from service.relational.search_language.searchable import (
    Attribute,
    Condition,
    Keyed,
    Related,
    Searchable,
    uuid_of,
)

SYNONYMS = {
    "attribute": "attributes", "attr": "attributes", "run": "attributes",
    "metric": "metrics", "param": "params", "parameter": "params", "parameters": "params",
    "tag": "tags", "dataset": "datasets",
}  # fmt: skip
_NAME = Attribute(Run.name, sets=True)
_STARTED = Attribute(Run.started_at, "time")
ATTRIBUTES = {
    "run_id": Attribute(hexadecimal(Run.id), sets=True, exact=Run.id, read=uuid_of),
    "run_name": _NAME,
    "run name": _NAME,
    "name": _NAME,
    "status": Attribute(Run.status, sets=True),
    "user_id": Attribute(Run.user_name, sets=True),
    "user_name": Attribute(Run.user_name, sets=True),
    "artifact_uri": Attribute(
        artifact_uri(Run.id, Run.experiment_id, Experiment.artifact_location).collate("C")
    ),
    "start_time": _STARTED,
    "created": _STARTED,
    "end_time": Attribute(Run.ended_at, "time", nullable=True),
}


def within(column: Any, experiment_ids: Sequence[UUID] | None) -> Condition:
    """Return the condition of rows of some experiments; None means any.

    One experiment is an equality, which an index reads in its order. Several are sent once for all
    conditions of a search, because they have one name.
    """
    if experiment_ids is None:
        return true()
    if len(experiment_ids) == 1:
        return and_(column == experiment_ids[0])
    ids = bindparam("experiment_ids", list(experiment_ids), ARRAY(Uuid))
    return and_(column == any_(ids))


def run_names(experiment_ids: Sequence[UUID] | None) -> Searchable:
    """Return the names of a search in these experiments, whose children an index finds too."""

    def keyed(table: Any, **options: Any) -> Keyed:
        return Keyed(
            lambda: aliased(table),
            on=lambda child: and_(
                child.run_id == Run.id, within(child.experiment_id, experiment_ids)
            ),
            parent=Run,
            **options,
        )

    def metrics(value: Callable[[Any, str], Any], **options: Any) -> Keyed:
        return keyed(RunMetric, value=value, kind="number", **options)

    is_one = experiment_ids is not None and len(experiment_ids) == 1

    return Searchable(
        entities={
            "attributes": ATTRIBUTES,
            "metrics": metrics(lambda metric, _key: metric.value, sorted=is_one),
            "params": keyed(RunParam),
            "tags": keyed(RunTag, attributes={NAME_TAG: _NAME}),
            "datasets": _DATASETS,
            "best": metrics(lambda metric, key: best_of(metric, Experiment.goals, key)),
            "least": metrics(lambda metric, _key: metric.least),
            "greatest": metrics(lambda metric, _key: metric.greatest),
            "mean": metrics(lambda metric, _key: mean_of(metric)),
        },
        synonyms=SYNONYMS,
    )


def _has_dataset(matches: Condition) -> Condition:
    datasets = select(RunDataset.run_id).join(Dataset, Dataset.id == RunDataset.dataset_id)
    return datasets.where(RunDataset.run_id == Run.id, matches).correlate(Run).exists()


_DATASETS = Related(
    _has_dataset,
    {
        "name": Attribute(Dataset.name, sets=True),
        "digest": Attribute(Dataset.digest, sets=True),
        "context": Attribute(RunDataset.context, sets=True),
    },
)
