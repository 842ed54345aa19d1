"""Query and line of an export."""

from typing import Literal

from pydantic import Field

from service.documents.predictions.ids import AnyId
from service.documents.predictions.label_values import LabelValue
from service.documents.predictions.reading.schemas import (
    PredictionFilters,
    PredictionRead,
)
from service.web.schemas import Moment, Time

ExportFormat = Literal["ndjson", "csv", "parquet"]


class ExportQuery(PredictionFilters):
    not_filters = frozenset(("format", "labels"))

    format: ExportFormat = "ndjson"
    labels: bool = Field(False, description="Add the latest label of each prediction.")
    user_id: AnyId | None = None
    order_id: AnyId | None = None
    timestamp__gte: Time | None = None
    timestamp__lt: Time | None = None


class ExportLine(PredictionRead):
    """An event as in the list; with ``labels=true`` its latest label, null if there is none."""

    label: LabelValue | None = None
    label_observed_at: Moment | None = None
    label_source: str | None = None
