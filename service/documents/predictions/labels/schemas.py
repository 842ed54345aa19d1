"""Labels of one prediction and of many, as they are sent, and their results."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct
from pydantic import ConfigDict, Field

from service.documents.predictions.ingest.schemas import IntakeError, StreamLineError
from service.documents.predictions.reading.schemas import LabelValue
from service.web.schemas import RequestModel, Text, Time

ResultStatus = Annotated[int, Meta(extra_json_schema={"enum": [200, 201, 404, 409, 410, 422]})]


class FeedbackWrite(RequestModel):
    """The true label of a prediction, and when it was observed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"label": 1, "observed_at": "2026-01-06T08:00:00Z", "source": "pathology"}
        }
    )

    label: LabelValue
    observed_at: Time
    source: Annotated[Text, Field(min_length=1, max_length=200)] = "unknown"


class LabelWrite(FeedbackWrite):
    """A label of a batch or stream, with the prediction that it belongs to."""

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


class LabelResult(Struct, omit_defaults=True):
    """The result of one label: 201 labelled, 200 revised or unchanged, else rejected with errors.

    ``pending`` is true if the prediction is not stored yet.
    """

    prediction_id: UUID | None
    status: ResultStatus
    code: Literal["labelled", "revised", "unchanged", "rejected"]
    pending: bool = False
    errors: list[IntakeError] = []


class LabelBatchRead(Struct):
    """The results of a batch, in its order, and how many there are of each code.

    ``pending`` counts those of the first three codes whose prediction is not stored yet.
    """

    labelled: int
    revised: int
    unchanged: int
    pending: int
    rejected: int
    results: list[LabelResult]

    @classmethod
    def of(cls, results: list[LabelResult]) -> "LabelBatchRead":
        return cls(**count_codes(results), results=results)


class LabelLine(Struct):
    """The state of a stream: every line up to ``committed_through`` is durable.

    The counts are of all lines so far; ``pending`` as in a batch.
    """

    committed_through: int
    labelled: int
    revised: int
    unchanged: int
    pending: int
    rejected: int
    errors: list[StreamLineError]


def count_codes(results: Iterable[LabelResult]) -> dict[str, int]:
    """Return the number of results with each code, and the number of pending ones."""
    counts = Counter({"labelled": 0, "revised": 0, "unchanged": 0, "pending": 0, "rejected": 0})
    for result in results:
        counts[result.code] += 1
        counts["pending"] += result.pending
    return dict(counts)
