"""What travels about CloudEvents, and about the halves that wait."""

from typing import Literal
from uuid import UUID

from service.documents.predictions.ingest.pydantic_schemas import IntakeError
from service.web.pagination import ListQuery
from service.web.schemas import Moment, ResponseModel, Text


class CloudEventRead(ResponseModel):
    """What became of one CloudEvent: 202 if it is half a pair and waits for the other.

    ``prediction_ids`` are the events that it is, or that it made with its partner: one a row.
    """

    id: str | None
    status: int
    code: str
    prediction_ids: list[UUID] = []
    errors: list[IntakeError] = []


class CloudEventsRead(ResponseModel):
    """``results`` stand in the order of the batch."""

    created: int
    duplicates: int
    waiting: int
    rejected: int
    results: list[CloudEventRead]


class HalfRefusal(ResponseModel):
    code: str
    pointer: str
    detail: str


class HalfRead(ResponseModel):
    """Half a pair that waits, or a pair: both halves are here (``has``)."""

    pair_id: UUID
    event_id: str
    model: str
    state: Literal["waiting", "whole", "logged", "refused"]
    has: list[Literal["request", "response"]]
    refusal: HalfRefusal | None = None
    received_at: Moment
    expires_at: Moment


class HalfQuery(ListQuery):
    """``count=exact`` says how many wait."""

    sort: Literal["received_at", "-received_at"] = "-received_at"
    state: Literal["waiting", "whole", "logged", "refused"] = "waiting"
    model: Text | None = None
