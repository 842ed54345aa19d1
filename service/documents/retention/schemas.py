"""What travels about the rules."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from service.web.pagination import ListQuery
from service.web.schemas import Moment, RequestModel, StrictInt, Text, Versioned

LONGEST_DAYS = 3650
Days = Annotated[StrictInt, Field(ge=1, le=LONGEST_DAYS)]
# What an event may say, but for a slash: an address cannot hold one.
ModelName = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f$/][^\x00-\x1f/]*$")
]


class RetentionWrite(RequestModel):
    """For how many days predictions are kept."""

    model_config = ConfigDict(json_schema_extra={"example": {"days": 30}})

    days: Days


class RetentionRead(Versioned):
    """A rule. Without a ``model_version`` it holds for those that have none of their own."""

    model: str
    model_version: str | None
    days: int
    created_at: Moment
    updated_at: Moment


class RetentionQuery(ListQuery):
    sort: Literal["model", "-model"] = "model"
    model: Text | None = None
