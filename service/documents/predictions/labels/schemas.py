"""What travels about labels: one of a prediction, and many at once."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from service.documents.predictions.ingest.pydantic_schemas import IntakeError, StreamLineError
from service.documents.predictions.reading.schemas import LabelValue
from service.web.schemas import RequestModel, ResponseModel, Text, Time


class FeedbackWrite(RequestModel):
    """What turned out to be true, and when it was seen."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"label": 1, "observed_at": "2026-01-06T08:00:00Z", "source": "pathology"}
        }
    )

    label: LabelValue
    observed_at: Time
    source: Annotated[Text, Field(min_length=1, max_length=200)] = "unknown"


class LabelWrite(FeedbackWrite):
    """A label among others, which says whose it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "prediction_id": "01930d6e-7a00-7000-8000-000000000001",
                "label": 1,
                "observed_at": "2026-01-06T08:00:00Z",
                "source": "pathology",
            }
        }
    )

    prediction_id: UUID


class LabelResult(ResponseModel):
    """What became of one label: 201 labelled, 200 revised or unchanged, else rejected, and why."""

    prediction_id: UUID | None
    status: Literal[200, 201, 404, 409, 410, 422]
    code: Literal["labelled", "revised", "unchanged", "rejected"]
    pending: bool = False
    errors: list[IntakeError] = []


class LabelCounts(ResponseModel):
    """Each label is one of labelled, revised, unchanged and rejected.

    ``pending`` counts once more those of the first three whose prediction has not arrived yet.
    """

    labelled: int
    revised: int
    unchanged: int
    pending: int
    rejected: int


class LabelBatchRead(LabelCounts):
    """``results`` stand in the order of the request."""

    results: list[LabelResult]


class LabelLine(LabelCounts):
    """Everything through this line of the request is durable; the counts are of all lines."""

    committed_through: int
    errors: list[StreamLineError]
