"""What becomes of events that are logged."""

from typing import Literal
from uuid import UUID

from service.web.schemas import ResponseModel


class IntakeError(ResponseModel):
    pointer: str
    code: str
    detail: str


class IntakeResult(ResponseModel):
    """What became of one event: 201 created, 200 duplicate, 409 conflict, 403 or 422 and why."""

    prediction_id: UUID | None
    status: Literal[200, 201, 403, 409, 422]
    code: str
    errors: list[IntakeError] = []


class BatchRead(ResponseModel):
    """``results`` stand in the order of the request."""

    created: int
    duplicates: int
    conflicts: int
    rejected: int
    results: list[IntakeResult]


class StreamLineError(ResponseModel):
    line: int
    code: str
    errors: list[IntakeError] = []


class StreamLine(ResponseModel):
    """Everything through this line of the request is durable; the counts are of all lines."""

    committed_through: int
    created: int
    duplicates: int
    conflicts: int
    rejected: int
    errors: list[StreamLineError]
