"""Query and line of an export."""

from typing import Literal

from pydantic import Field

from service.documents.predictions.reading.schemas import (
    PredictionItem,
    StoredPredictionFilters,
)

ExportFormat = Literal["ndjson", "csv", "parquet"]


class ExportQuery(StoredPredictionFilters):
    not_filters = frozenset(("format", "labels", "labelled"))

    format: ExportFormat = Field("ndjson", description="the format of the file")


class ExportLine(PredictionItem):
    """An event as in the list; with ``labels=true`` its latest label, null if there is none."""
