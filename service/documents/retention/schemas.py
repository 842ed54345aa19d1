"""Schemas of retention rules."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.web.lists.pagination import ListQuery
from service.web.schemas import ExactText, Moment, RequestModel, StrictInt, Versioned

MAX_DAYS = 3650
Days = Annotated[StrictInt, Field(ge=1, le=MAX_DAYS)]
# As in an event.
ModelName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f$][^\x00-\x1f]*$")
]


class RetentionWrite(RequestModel):
    """The number of days for which predictions are kept."""

    model_config = ConfigDict(json_schema_extra={"example": {"days": 30}})

    days: Days


class RetentionRead(Versioned):
    """A rule. Without a ``model_version`` it applies to versions without a rule of their own."""

    model: str
    model_version: str | None
    days: int
    created_at: Moment
    updated_at: Moment


class RetentionQuery(ListQuery):
    sort: Literal["model", "-model"] = "model"
    model: ExactText | None = Field(None, description="the rule of this model or pattern")
