"""Labels of one prediction and of many, as they are sent, and their results."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct
from pydantic import ConfigDict, Field

from service.documents.predictions.ids import NULLABLE_ID, AnyId
from service.documents.predictions.ingest.schemas import IntakeError, StreamLineError
from service.documents.predictions.label_values import SentLabel
from service.stores.mongo.client import Document
from service.web.schemas import ExactText, RequestModel, StrictBool, Time

Source = Annotated[ExactText, Field(min_length=1, max_length=200)]
ResultStatus = Annotated[int, Meta(extra_json_schema={"enum": [200, 201, 404, 409, 410, 422]})]


class FeedbackWrite(RequestModel):
    """The true label of a prediction, and when it was observed."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"label": 1, "observed_at": "2026-01-06T08:00:00Z", "source": "pathology"}
        }
    )

    label: SentLabel
    observed_at: Time
    source: Source = "unknown"

    def to_observation(self, received_at: datetime) -> Document:
        """Return the label as a history stores it."""
        return {
            "label": self.label,
            "observed_at": self.observed_at,
            "source": self.source,
            "received_at": received_at,
        }


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

    prediction_id: AnyId
    withdrawn: StrictBool = False


class WithdrawalWrite(RequestModel):
    """Takes back the label that was observed last, at or before ``observed_at``.

    If ``source`` or ``label`` are sent, only labels of this source or with this value are meant.
    """

    prediction_id: AnyId
    observed_at: Time
    source: Source | None = None
    label: SentLabel | None = None
    withdrawn: StrictBool

    def to_observation(self, received_at: datetime) -> Document:
        """Return the withdrawal as a history stores it."""
        step: Document = {"withdrawn": True, "observed_at": self.observed_at}
        if self.source is not None:
            step["source"] = self.source
        if self.label is not None:
            step["label"] = self.label
        return {**step, "received_at": received_at}


class WithdrawalQuery(RequestModel):
    """Which label to withdraw: the one that was observed last, then, or by this source."""

    observed_at: Time | None = Field(
        None, description="the label observed at this time, not the one observed last"
    )
    source: Source | None = Field(None, description="the last label of this source")

    def matches(self, step: Document) -> bool:
        """Return whether a step of a history is such a label."""
        return (
            "withdrawn" not in step
            and self.observed_at in {None, step["observed_at"]}
            and self.source in {None, step["source"]}
        )


class LabelResult(Struct, omit_defaults=True):
    """The result of one label: 201 labelled, 200 revised, unchanged or withdrawn, else rejected.

    ``pending`` is true if the prediction is not stored yet.
    """

    prediction_id: Annotated[Any, Meta(extra_json_schema=NULLABLE_ID)]
    status: ResultStatus
    code: Literal["labelled", "revised", "unchanged", "withdrawn", "rejected"]
    pending: bool = False
    errors: list[IntakeError] = []


class LabelBatchRead(Struct):
    """The results of a batch, in its order, and how many there are of each code.

    ``pending`` counts those of the first four codes whose prediction is not stored yet.
    """

    labelled: int
    revised: int
    unchanged: int
    withdrawn: int
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
    withdrawn: int
    pending: int
    rejected: int
    errors: list[StreamLineError]


def count_codes(results: Iterable[LabelResult]) -> dict[str, int]:
    """Return the number of results with each code, and the number of pending ones."""
    names = ("labelled", "revised", "unchanged", "withdrawn", "pending", "rejected")
    counts = Counter(dict.fromkeys(names, 0))
    for result in results:
        counts[result.code] += 1
        counts["pending"] += result.pending
    return dict(counts)
