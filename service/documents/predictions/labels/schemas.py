"""What travels about labels that come many at once."""

from typing import Literal
from uuid import UUID

from service.documents.predictions.reading.schemas import IntakeError, StreamLineError
from service.web.schemas import ResponseModel


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
