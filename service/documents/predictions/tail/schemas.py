"""What travels about the log as it happens."""

from pydantic import Field

from service.documents.predictions.reading.schemas import PredictionFilters


class TailQuery(PredictionFilters):
    not_filters = frozenset(("after",))

    after: str | None = Field(
        None, max_length=1000, description="the id of the last event you have; as Last-Event-ID"
    )
