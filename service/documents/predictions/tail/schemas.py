"""Query of the tail, and its tickets."""

from pydantic import ConfigDict, Field

from service.documents.predictions.reading.schemas import PredictionFilters
from service.web.schemas import Moment, ResponseModel


class TailQuery(PredictionFilters):
    not_filters = frozenset(("after", "ticket"))

    after: str | None = Field(
        None,
        max_length=1000,
        description="Id of the last event you received; the header Last-Event-ID has precedence.",
    )
    ticket: str | None = Field(
        None,
        max_length=2000,
        description="Instead of the header Authorization, which precedes it.",
    )


class TailTicketCreate(PredictionFilters):
    """The filters of the tail; none: every event."""

    model_config = ConfigDict(json_schema_extra={"example": {"model": "churn", "status": "error"}})


class TailTicketRead(ResponseModel):
    """A ticket, and the address that it opens: for ``new EventSource(url)``."""

    ticket: str
    url: str = Field(description="relative to this service; `&after=` may be added")
    expires_at: Moment
