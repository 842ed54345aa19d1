"""Runs as JSON that PostgreSQL writes, on our addresses and on MLflow's.

A page of 1,000 runs has 13,000 values of params, metrics and tags; as objects in Python they take
longer than all the rest. The statements read ``page``, a subquery of runs with their experiment's
``artifact_location`` and ``goals``; every child is found by the id of its run.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnClause,
    ColumnElement,
    Double,
    TableClause,
    Text,
    case,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
)

from service.relational.experiments.tables import DEFAULT_ID, Experiment
from service.relational.runs.input_tables import Dataset, RunDataset, RunModel
from service.relational.runs.reading.json_text import (
    constant,
    joined,
    list_text,
    members_text,
    object_text,
)
from service.relational.runs.tables import Run, RunMetric, RunParam, RunTag
from service.stores.sql.fast_read import DIALECT, json_object

NAME_TAG = "mlflow.runName"
# Bytes of the schemas and profiles of a run's datasets, of which each has up to 16 MiB; a
# text of PostgreSQL has at most 1 GiB, and JSON writes some characters as six.
SHOWN_IN_SEARCH, SHOWN_OF_RUN = 2**16, 2**25
OWN_FIELDS = (
    "id", "experiment_id", "name", "user_name", "status", "started_at", "ended_at", "version",
    "created_at", "updated_at", "deleted_at",
)  # fmt: skip


def mean_of(metric: Any) -> ColumnElement[Any]:
    """Return the mean of a metric's history without NaN; NULL if there is no number."""
    mean: ColumnElement[Any] = metric.total.op("/")(func.nullif(metric.count, literal_column("0")))
    return cast(mean, Double)


def best_of(metric: Any, goals: Any, key: Any) -> ColumnElement[Any]:
    """Return the least or the greatest value, by the goal of the metric; NULL without a goal."""
    goal = goals.op("->>")(key)
    return case(
        (goal == literal_column("'minimize'"), metric.least),
        (goal == literal_column("'maximize'"), metric.greatest),
    )


def _run(page: TableClause) -> ColumnElement[str]:
    """Return a run of our addresses: its own fields, params, tags and metrics."""
    run = page.c
    params, tags = _pairs(RunParam, page), _pairs(RunTag, page)
    shown = json_object(
        {
            "value": RunMetric.value,
            "step": RunMetric.step,
            "timestamp_ms": RunMetric.timestamp,
            "count": RunMetric.count,
            "least": RunMetric.least,
            "greatest": RunMetric.greatest,
            "mean": mean_of(RunMetric),
            "best": best_of(RunMetric, run.goals, RunMetric.key),
        }
    )
    metrics = (
        select(func.json_object_agg(RunMetric.key, shown))
        .where(RunMetric.run_id == run.id)
        .correlate(page)
        .scalar_subquery()
    )
    empty: Any = literal_column("'{}'::json")
    fields: dict[str, Any] = {name: run[name] for name in OWN_FIELDS}
    for name, values in (("params", params), ("tags", tags), ("metrics", metrics)):
        fields[name] = func.coalesce(values, empty)
    return cast(json_object(fields), Text)


def _mlflow_run(page: TableClause, described: int = SHOWN_OF_RUN) -> ColumnElement[str]:
    """Return a run of MLflow's addresses; empty lists are left out.

    Datasets have their schema and profile as long as these have ``described`` bytes together.
    """
    run = page.c
    pair, point = ("key", "value"), ("key", "value", "timestamp", "step")
    name = object_text({"key": cast(constant(NAME_TAG), Text), "value": run.name})
    tags = func.concat_ws(constant(","), name, _elements(RunTag, pair, page), type_=Text)
    data = {
        "metrics": _list(RunMetric, point, page),
        "params": _list(RunParam, pair, page),
        "tags": joined("[", tags, "]"),
    }
    inputs = {
        "dataset_inputs": _datasets(page, described),
        "model_inputs": _models(page, "input", ("model_id",)),
    }
    outputs = {"model_outputs": _models(page, "output", ("model_id", "step"))}
    parts = {"data": data, "inputs": inputs, "outputs": outputs}
    members = (joined(f',"{name}":', members_text(lists)) for name, lists in parts.items())
    return joined('{"info":', _info(run), *members, "}")


def hexadecimal(key: Any) -> ColumnElement[str]:
    """Return an id as MLflow's clients write it: 32 hexadecimal digits."""
    return func.replace(cast(key, Text), literal_column("'-'"), literal_column("''"), type_=Text)


def experiment_text(key: Any) -> ColumnElement[str]:
    """Return the id of an experiment as MLflow's clients write it; ``0`` is the default one."""
    default: Any = literal_column(f"'{DEFAULT_ID}'::uuid")
    return case((key == default, literal_column("'0'", Text())), else_=hexadecimal(key))


def artifact_root(experiment_id: Any, location: Any) -> ColumnElement[str]:
    """Return the address below which an experiment's artifacts are, without ``/`` at its end."""
    own = joined("mlflow-artifacts:/", experiment_text(experiment_id))
    return func.coalesce(func.rtrim(location, constant("/")), own, type_=Text)


def artifact_uri(run_id: Any, experiment_id: Any, location: Any) -> ColumnElement[str]:
    """Return the address below which a run's artifacts are."""
    root = artifact_root(experiment_id, location)
    return joined(root, "/", hexadecimal(run_id), "/artifacts")


def milliseconds(moment: Any) -> ColumnElement[int]:
    """Return a time in milliseconds since 1970; ``extract`` would take numerics, three times it."""
    return cast(func.date_part(constant("epoch"), moment) * literal_column("1000"), BigInteger)


def _info(run: Any) -> ColumnElement[str]:
    run_id = hexadecimal(run.id)
    stage = case((run.deleted_at.is_(None), constant("active")), else_=constant("deleted"))
    fields = {
        "run_id": run_id,
        "run_uuid": run_id,
        "run_name": run.name,
        "experiment_id": experiment_text(run.experiment_id),
        "user_id": run.user_name,
        "status": run.status,
        "start_time": milliseconds(run.started_at),
        "end_time": milliseconds(run.ended_at),
        "artifact_uri": artifact_uri(run.id, run.experiment_id, run.artifact_location),
        "lifecycle_stage": stage,
    }
    return object_text(fields, optional=("end_time",))


def _datasets(page: TableClause, most: int) -> Any:
    described = (func.octet_length(text) for text in (Dataset.schema, Dataset.profile))
    first, second = (func.coalesce(size, literal_column("0")) for size in described)
    sizes = func.sum(first + second).over(order_by=RunDataset.dataset_id)
    fits = sizes <= literal_column(str(most))
    names = ("name", "digest", "source_type", "source")
    found = (
        select(RunDataset.tags, *(getattr(Dataset, name) for name in names))
        .add_columns(case((fits, Dataset.schema)).label("schema"))
        .add_columns(case((fits, Dataset.profile)).label("profile"))
        .join(Dataset, Dataset.id == RunDataset.dataset_id)
        .where(RunDataset.run_id == page.c.id)
        .correlate(page)
        .subquery("found")
    )
    entry = func.jsonb_each_text(found.c.tags).table_valued("key", "value", name="entry")
    tags = select(func.json_agg(entry.table_valued())).scalar_subquery()
    dataset = json_object({name: found.c[name] for name in (*names, "schema", "profile")})
    fields = {"dataset": dataset, "tags": func.coalesce(tags, literal_column("'[]'::json"))}
    texts = cast(func.json_agg(func.json_strip_nulls(json_object(fields))), Text)
    return select(texts).select_from(found).scalar_subquery()


def _models(page: TableClause, direction: str, names: tuple[str, ...]) -> Any:
    model_id = joined("m-", hexadecimal(RunModel.model_id))
    columns: dict[str, Any] = {"model_id": model_id, "step": RunModel.step}
    element = object_text({name: columns[name] for name in names})
    models = select(list_text(element)).where(
        RunModel.run_id == page.c.id, RunModel.direction == constant(direction)
    )
    return models.correlate(page).scalar_subquery()


def _pairs(child: Any, page: TableClause) -> Any:
    """Return the params or tags of a run as an object."""
    pairs = select(func.json_object_agg(child.key, child.value)).where(child.run_id == page.c.id)
    return pairs.correlate(page).scalar_subquery()


def _list(child: Any, names: tuple[str, ...], page: TableClause) -> ColumnElement[str]:
    return joined("[", _elements(child, names, page), "]")


def _elements(child: Any, names: tuple[str, ...], page: TableClause) -> ColumnElement[str]:
    """Return what a run has of ``child`` as objects with commas between, NULL if it has none."""
    element = object_text({name: getattr(child, name) for name in names})
    elements = func.string_agg(element, constant(","), type_=Text)
    of_run = select(elements).where(child.run_id == page.c.id).correlate(page)
    return of_run.scalar_subquery()


def _text(shown: Callable[[TableClause], ColumnElement[str]]) -> str:
    """Return an expression over ``page`` as text, so that no statement compiles it again."""
    page = table("page", *(_column(name) for name in (*OWN_FIELDS, "artifact_location", "goals")))
    whole = select(shown(page).label("shown")).select_from(page)
    text = str(whole.compile(dialect=DIALECT)).removeprefix("SELECT ")
    return text.rpartition(" AS shown")[0]


def _column(name: str) -> ColumnClause[Any]:
    source = Run.__table__ if name in OWN_FIELDS else Experiment.__table__
    return column(name, source.c[name].type)


IN_SEARCH = {"own": _text(_run), "mlflow": _text(partial(_mlflow_run, described=SHOWN_IN_SEARCH))}
"""SQL of a run as JSON, by its shape; its FROM is the subquery ``page``."""
ALONE = {
    "own": IN_SEARCH["own"],
    "mlflow": _text(_mlflow_run),
    "mlflow info": _text(lambda page: _info(page.c)),
}
"""The same of a run that is read alone, or of its info."""
