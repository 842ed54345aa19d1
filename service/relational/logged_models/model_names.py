"""Names of filters and orders of logged models.

A clause on a metric finds models of which any point matches; the order is by the latest point.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, literal, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased

from service.relational.logged_models.queries import model_text, newest
from service.relational.logged_models.tables import (
    LoggedModel,
    LoggedModelMetric,
    LoggedModelParam,
    LoggedModelTag,
)
from service.relational.runs.reading.run_json import hexadecimal
from service.relational.runs.reading.searchable import within
from service.relational.search_language.errors import InvalidOrder
from service.relational.search_language.ordering import OrderBy, Ordering
from service.relational.search_language.searchable import (
    Attribute,
    Keyed,
    Searchable,
    uuid_of,
)
from service.relational.search_language.tree import Name

MODEL_PREFIX, STATUS_PREFIX = "m-", "LOGGED_MODEL_"
_M, _METRIC = LoggedModel, LoggedModelMetric


class OfDataset(NamedTuple):
    """Metrics about a dataset; of any digest if there is none."""

    name: str
    digest: str | None = None

    def condition(self, metric: Any) -> ColumnElement[bool]:
        of_digest = metric.dataset_digest == self.digest if self.digest else true()
        return and_(metric.dataset_name == self.name, of_digest)


class ModelOrder(NamedTuple):
    """``metrics.<key>``, of a dataset if it names one, or the name of an attribute."""

    field: str
    descending: bool = False
    dataset: OfDataset | None = None


def _status(text: str) -> str:
    return text.removeprefix(STATUS_PREFIX)


def _model_id(text: str) -> UUID | None:
    return uuid_of(text.removeprefix(MODEL_PREFIX))


_CREATED = Attribute(_M.created_at, "time")
_UPDATED = Attribute(_M.updated_at, "time")
_ATTRIBUTES = {
    "name": Attribute(_M.name, sets=True),
    "model_id": Attribute(model_text(_M.id), sets=True, exact=_M.id, read=_model_id),
    "status": Attribute(_M.status, sets=True, exact=_M.status, read=_status),
    "model_type": Attribute(_M.model_type, sets=True, nullable=True),
    "source_run_id": Attribute(
        hexadecimal(_M.source_run_id),
        sets=True,
        nullable=True,
        exact=_M.source_run_id,
        read=uuid_of,
    ),
    "creation_time": _CREATED,
    "creation_timestamp": _CREATED,
    "creation_timestamp_ms": _CREATED,
    "last_updated_timestamp": _UPDATED,
    "last_updated_timestamp_ms": _UPDATED,
}
_TIES = [(_M.created_at, True), (_M.id, False)]


def searchable(datasets: Sequence[OfDataset]) -> Searchable:
    """Return the names of a filter, whose metrics are those about one of the datasets."""
    return Searchable(
        {
            "attributes": _ATTRIBUTES,
            "params": _of_model(LoggedModelParam),
            "tags": _of_model(LoggedModelTag),
            "metrics": Keyed(
                lambda: aliased(_METRIC),
                on=lambda metric: and_(_is_of_model(metric), _about(metric, datasets)),
                parent=_M,
                kind="number",
            ),
        }
    )


def _of_model(table: type[LoggedModelParam | LoggedModelTag]) -> Keyed:
    return Keyed(lambda: aliased(table), on=_is_of_model, parent=_M)


def _is_of_model(child: Any) -> ColumnElement[bool]:
    """Match the children of a model; their indexes begin with the experiment."""
    return and_(child.model_id == _M.id, child.experiment_id == _M.experiment_id)


def _about(metric: Any, datasets: Sequence[OfDataset]) -> ColumnElement[bool]:
    return or_(*(one.condition(metric) for one in datasets)) if datasets else true()


def measured_on(datasets: Sequence[OfDataset]) -> ColumnElement[bool]:
    """Return the condition of models with a metric about one of the datasets."""
    of_model = _METRIC.model_id == _M.id
    return select(literal(1)).where(of_model, _about(_METRIC, datasets)).exists()


def ordering(wanted: Sequence[ModelOrder], experiment_ids: Sequence[UUID]) -> Ordering:
    """Return the order of a search; each metric in it is an entity, with its own dataset.

    Raises:
        InvalidOrder: models are not ordered by that.
    """
    entities: dict[str, Any] = {"attributes": _ATTRIBUTES}
    order: list[OrderBy] = []
    for place, (field, descending, dataset) in enumerate(wanted):
        entity, _, key = field.partition(".")
        if not key:
            order.append(OrderBy(Name(None, field), descending))
            continue
        if entity != "metrics":
            raise InvalidOrder(f"Order by an attribute or metrics.<key>, not by {field}.")
        metrics = _latest(experiment_ids, key, dataset)
        entities[f"{field} {place}"] = Keyed(
            partial(aliased, _METRIC, metrics),
            on=lambda metric: metric.model_id == _M.id,
            parent=_M,
            kind="number",
        )
        order.append(OrderBy(Name(f"{field} {place}", key), descending))
    return Ordering.of(order, Searchable(entities), _TIES)


def _latest(experiment_ids: Sequence[UUID], key: str, dataset: OfDataset | None) -> Any:
    """Return the latest point of a metric of each model."""
    return (
        select(_METRIC)
        .where(
            within(_METRIC.experiment_id, experiment_ids),
            _METRIC.key == key,
            _about(_METRIC, [dataset] if dataset else ()),
        )
        .ext(distinct_on(_METRIC.model_id))
        .order_by(_METRIC.model_id, *newest(_METRIC))
        .subquery()
    )
