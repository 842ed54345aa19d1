"""What travels about API keys."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from service.auth.roles import Scope
from service.web.pagination import ListQuery
from service.web.schemas import Moment, Name, RequestModel, StrictInt, Time, Versioned

LONGEST_OVERLAP = 7 * 24 * 3600
ModelPattern = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        pattern=r"^[^*\x00]*\*?$",
        description="a model's name, or how names begin: `fraud-*`",
    ),
]


class ApiKeyCreate(RequestModel):
    """A new key, for the caller or for whom one with ``api_keys:admin`` names."""

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
    overlap_seconds: Annotated[StrictInt, Field(ge=0, le=LONGEST_OVERLAP)] = Field(
        3600, description="how long the old secret stays good beside the new one"
    )


class ApiKeyRead(Versioned):
    """A key without its secret. ``previous_until`` is when a rotated secret stops being good."""

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
    """A key with its secret, which is shown this once."""

    key: str = Field(description="`pk_<id>_<secret>`; keep it, it cannot be shown again")


class ApiKeyQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    user_id: UUID | None = None
