"""Results of CloudEvents, and the list of pairs that wait for a message."""

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta, Struct
from pydantic import BaseModel, ConfigDict, Field

from service.documents.predictions.ids import ID_SCHEMA
from service.documents.predictions.ingest.schemas import IntakeError
from service.web.lists.pagination import ListQuery
from service.web.schemas import ExactText, Moment, ResponseModel

MAX_REPLAYED = 100
PairState = Literal["waiting", "whole", "logged", "refused"]


class CloudEventRead(Struct, omit_defaults=True):
    """The result of one CloudEvent; 202 is a message that waits for its partner.

    ``prediction_ids`` has one id per event: of the event itself, or of each row of its pair.
    """

    id: str | None
    status: int
    code: str
    prediction_ids: list[Annotated[Any, Meta(extra_json_schema=ID_SCHEMA)]] = []
    errors: list[IntakeError] = []


class CloudEventsRead(Struct):
    """The results of a batch, in its order, and how many there are of each kind."""

    created: int
    duplicates: int
    waiting: int
    rejected: int
    results: list[CloudEventRead]

    @classmethod
    def of(cls, results: list[CloudEventRead]) -> "CloudEventsRead":
        codes = [result.code for result in results]
        created, duplicates, waiting = map(codes.count, ("created", "duplicate", "waiting"))
        rejected = len(codes) - created - duplicates - waiting
        return cls(created, duplicates, waiting, rejected, results)


class HalfRefusal(ResponseModel):
    """The error because of which a pair, or a half of it, makes no event."""

    code: str
    pointer: str
    detail: str


class HalfRead(ResponseModel):
    """A pair: ``waiting`` with one message, ``whole`` with both; ``has`` names them."""

    pair_id: UUID
    event_id: str
    model: str
    state: PairState
    has: list[Literal["request", "response"]]
    refusal: HalfRefusal | None = None
    received_at: Moment
    expires_at: Moment


class HalfReplayRead(ResponseModel):
    """A pair after its replay, or as it is if it was not refused; its ids once it is ``logged``."""

    pair_id: UUID
    state: PairState
    prediction_ids: list[UUID] = []
    refusal: HalfRefusal | None = None


class HalvesReplayRead(ResponseModel):
    """The pairs after their replay; ``next_after`` continues where there may be more."""

    results: list[HalfReplayRead]
    next_after: UUID | None = None


class HalvesReplayQuery(BaseModel):
    """Which refused pairs are replayed: up to 100 in the order of their ids, beyond ``after``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: ExactText | None = Field(None, description="pairs of this model")
    after: UUID | None = Field(None, description="`next_after` of the replay before")
    limit: int = Field(MAX_REPLAYED, ge=1, le=MAX_REPLAYED)


class PendingPairQuery(ListQuery):
    """Filters of the list; ``count=exact`` returns how many pairs match."""

    sort: Literal["received_at", "-received_at"] = "-received_at"
    state: PairState = Field("waiting", description="pairs in this state")
    model: ExactText | None = Field(None, description="pairs of this model")
