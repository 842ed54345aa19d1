"""Query and line of an export."""

from typing import Literal

from service.documents.predictions.reading.schemas import (
    PredictionItem,
    StoredPredictionFilters,
)

ExportFormat = Literal["ndjson", "csv", "parquet"]


class ExportQuery(StoredPredictionFilters):
    not_filters = frozenset(("format", "labels", "labelled"))

    format: ExportFormat = "ndjson"


class ExportLine(PredictionItem):
    """An event as in the list; with ``labels=true`` its latest label, null if there is none."""
