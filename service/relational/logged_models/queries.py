"""Parts of statements over logged models: their params, tags and metrics, and MLflow's JSON.

PostgreSQL writes floats as they are, and NaN and the infinities as text, as MLflow's clients read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Double,
    Text,
    case,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, Insert, aggregate_order_by, distinct_on, insert
from sqlalchemy.orm import aliased

from service.relational.experiments.tables import Experiment
from service.relational.logged_models.tables import (
    LoggedModel,
    LoggedModelMetric,
    LoggedModelParam,
    LoggedModelTag,
)
from service.relational.runs.reading.run_json import (
    artifact_root,
    experiment_text,
    hexadecimal,
    milliseconds,
)
from service.stores.sql.base import Base

_METRIC = LoggedModelMetric
MAX_POINTS = 1_000  # a model may have many more of a key than an answer can hold
# Its keys one by one from the index, because DISTINCT would read every point.
_SHOWN = text(f"""
    WITH RECURSIVE keys (key) AS (
        (SELECT key FROM logged_model_metrics WHERE model_id = logged_models.id
            ORDER BY key LIMIT 1)
        UNION ALL
        SELECT (SELECT m.key FROM logged_model_metrics AS m
            WHERE m.model_id = logged_models.id AND m.key > keys.key ORDER BY m.key LIMIT 1)
        FROM keys WHERE keys.key IS NOT NULL
    )
    SELECT point.* FROM keys CROSS JOIN LATERAL (
        SELECT * FROM logged_model_metrics AS m
        WHERE m.model_id = logged_models.id AND m.key = keys.key
        ORDER BY m.step DESC, m.timestamp DESC, m.value DESC LIMIT {MAX_POINTS}
    ) AS point
""")  # noqa: S608 - a constant


def newest(metric: Any) -> Sequence[ColumnElement[Any]]:
    """Return the order of points, of which the first is the latest; NaN counts as 0."""
    is_nan = metric.value == literal(float("nan"), Double)
    number = case((is_nan, literal(0.0, Double)), else_=metric.value)
    return metric.step.desc(), metric.timestamp.desc(), number.desc(), metric.value.desc()


def texts_by_key(table: type[LoggedModelParam | LoggedModelTag]) -> ColumnElement[Any]:
    """Return the params or tags of a model as an object, ``{}`` if there are none."""
    pairs = func.jsonb_object_agg(table.key, table.value)
    of_model = select(func.coalesce(pairs, literal_column("'{}'::jsonb"), type_=JSONB))
    return of_model.where(table.model_id == LoggedModel.id).scalar_subquery()


def _shown_points() -> Any:
    """Return the newest points of each metric of a model, as a table."""
    return aliased(_METRIC, _SHOWN.columns(*_METRIC.__table__.c).subquery())


def latest_metrics() -> ColumnElement[Any]:
    """Return the latest point of each metric and dataset of a model, as an array of objects."""
    shown = _shown_points()
    by = (shown.key, shown.dataset_name, shown.dataset_digest)
    latest = select(shown).ext(distinct_on(*by)).order_by(*by, *newest(shown)).subquery()
    point = _object(
        key=latest.c.key,
        value=latest.c.value,
        step=latest.c.step,
        timestamp_ms=latest.c.timestamp,
        run_id=latest.c.run_id,
        dataset_name=func.nullif(latest.c.dataset_name, ""),
        dataset_digest=func.nullif(latest.c.dataset_digest, ""),
    )
    ordered = (latest.c.key, latest.c.dataset_name, latest.c.dataset_digest)
    points = func.jsonb_agg(aggregate_order_by(point, *ordered))
    of_model = select(func.coalesce(points, literal_column("'[]'::jsonb"), type_=JSONB))
    return of_model.select_from(latest).scalar_subquery()


def model_text(column: Any) -> ColumnElement[str]:
    """Return the id of a logged model as MLflow's clients write it."""
    return literal_column("'m-'", Text()).concat(hexadecimal(column))


def model_json() -> ColumnElement[Any]:
    """Return a logged model as MLflow answers it; the source has LoggedModel and Experiment."""
    model, model_id = LoggedModel, model_text(LoggedModel.id)
    root = artifact_root(Experiment.id, Experiment.artifact_location)
    info = _object(
        model_id=model_id,
        experiment_id=experiment_text(model.experiment_id),
        name=model.name,
        creation_timestamp_ms=milliseconds(model.created_at),
        last_updated_timestamp_ms=milliseconds(model.updated_at),
        artifact_uri=root + "/models/" + model_id + "/artifacts",
        status=literal_column("'LOGGED_MODEL_'") + model.status,
        model_type=model.model_type,
        source_run_id=hexadecimal(model.source_run_id),
        tags=_pairs(LoggedModelTag),
    )
    data = _object(params=_pairs(LoggedModelParam), metrics=_points(model_id))
    return func.json_strip_nulls(_object(info=info, data=data))


def _pairs(table: type[LoggedModelParam | LoggedModelTag]) -> ColumnElement[Any]:
    pair = _object(key=table.key, value=table.value)
    pairs = select(func.json_agg(aggregate_order_by(pair, table.key)))
    return pairs.where(table.model_id == LoggedModel.id).scalar_subquery()


def _points(model_id: ColumnElement[str]) -> ColumnElement[Any]:
    shown = _shown_points()
    point = _object(
        key=shown.key,
        value=shown.value,
        timestamp=shown.timestamp,
        step=shown.step,
        dataset_name=func.nullif(shown.dataset_name, ""),
        dataset_digest=func.nullif(shown.dataset_digest, ""),
        model_id=model_id,
        run_id=hexadecimal(shown.run_id),
    )
    order = shown.key, shown.timestamp, shown.step, shown.value, shown.id
    return select(func.json_agg(aggregate_order_by(point, *order))).scalar_subquery()


def _object(**fields: Any) -> ColumnElement[Any]:
    """Return a JSON object of these fields, in their order."""
    parts: list[Any] = []
    for name, value in fields.items():
        parts += [literal_column(f"'{name}'"), value]
    return func.json_build_object(*parts)


def add_rows(table: type[Base], rows: Sequence[Mapping[str, Any]], **same: Any) -> Insert:
    """Return the statement that inserts rows, in their order; those that are there stay.

    Columns are sent as arrays, so that one statement is prepared for any number of rows. ``same``
    has the values that all rows share.
    """
    columns = table.__table__.c
    names = list(rows[0])
    arrays = (literal([row[name] for row in rows], ARRAY(columns[name].type)) for name in names)
    sent = func.unnest(*arrays).table_valued(*names, with_ordinality="place").render_derived()
    shared = (literal(value, columns[name].type) for name, value in same.items())
    selected = select(*(sent.c[name] for name in names), *shared).order_by(sent.c.place)
    return insert(table).from_select([*names, *same], selected).on_conflict_do_nothing()
