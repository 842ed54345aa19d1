"""Schemas of API keys."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from service.auth.roles import Scope
from service.web.lists.pagination import ListQuery
from service.web.lists.values import BEFORE, FROM
from service.web.schemas import Moment, Name, RequestModel, StrictInt, Time, Versioned

LONGEST_OVERLAP = 7 * 24 * 3600
ModelPattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^*\x00]*\*?$",
        description="a model's name, or the beginning of names: `fraud-*`",
    ),
]


class ApiKeyCreate(RequestModel):
    """A new key of the caller, or of another user with ``api_keys:admin``."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "fraud scorer",
                "scopes": ["predictions:write"],
                "models": ["fraud-*"],
            }
        }
    )

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=50)]
    models: Annotated[list[ModelPattern], Field(min_length=1, max_length=50)] | None = None
    expires_at: Time | None = None
    user_id: UUID | None = None


class ApiKeyRotate(RequestModel):
    model_config = ConfigDict(json_schema_extra={"example": {"overlap_seconds": 600}})

    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=LONGEST_OVERLAP)] = Field(
        3600, description="seconds for which the old secret stays valid"
    )


class ApiKeyRead(Versioned):
    """A key without its secret. A rotated secret is valid until ``previous_until``."""

    id: UUID
    user_id: UUID
    name: str
    scopes: list[str]
    models: list[str] | None
    expires_at: Moment | None
    last_used_at: Moment | None
    previous_until: Moment | None
    revoked_at: Moment | None
    created_at: Moment
    updated_at: Moment


class ApiKeySecret(ApiKeyRead):
    """A key with its secret, which is shown once."""

    key: str = Field(description="`pk_<id>_<secret>`; store it, it cannot be shown again")


class ApiKeyQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    user_id: UUID | None = Field(None, description="keys of this user")
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
