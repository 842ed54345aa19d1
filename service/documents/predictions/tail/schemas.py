"""Query of the tail."""

from pydantic import Field

from service.documents.predictions.reading.schemas import PredictionFilters


class TailQuery(PredictionFilters):
    not_filters = frozenset(("after",))

    after: str | None = Field(
        None,
        max_length=1000,
        description="Id of the last event you received; the header Last-Event-ID has precedence.",
    )
