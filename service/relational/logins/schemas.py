"""Schemas of logins."""

from typing import Annotated
from uuid import UUID

from pydantic import MISSING, BaseModel, ConfigDict, Field, SecretStr

from service.auth.passwords import Password, TypedPassword
from service.relational.users.schemas import UserRead
from service.web.schemas import ExactText, RequestModel, ResponseModel, Text

Word = Annotated[ExactText, Field(max_length=1000)]
Secret = Annotated[SecretStr, Field(max_length=4000)]


class TokenRequest(BaseModel):
    """A form of RFC 6749, sections 4.3, 4.4 and 6; unknown fields are ignored."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {
                "grant_type": "password",
                "username": "ada@example.com",
                "password": "a long sentence",
            }
        },
    )

    grant_type: Word = Field(description="`password`, `refresh_token` or `client_credentials`")
    username: Annotated[Text, Field(max_length=254)] | None = Field(
        None, description="password: an email or a username"
    )
    password: TypedPassword | None = Field(None, json_schema_extra={"format": "password"})
    refresh_token: Secret | None = None
    client_id: Word | None = Field(None, description="client_credentials: `pk_<id>` of an API key")
    client_secret: Secret | None = Field(None, json_schema_extra={"format": "password"})
    scope: Word | None = Field(None, description="a subset of your scopes, separated by spaces")


class RevokeRequest(BaseModel):
    """A form of RFC 7009."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"example": {"token": "the refresh token or access token"}}
    )

    token: Secret
    token_type_hint: Word | None = None


class TokenRead(ResponseModel):
    """A response of RFC 6749, section 5.1."""

    access_token: str
    token_type: str = "bearer"  # noqa: S105 - its kind
    expires_in: int = Field(description="seconds")
    refresh_token: str | MISSING = MISSING
    scope: str


class Revoked(ResponseModel):
    """The token is not valid any more, whatever it was."""

    revoked: bool = True


class MeRead(UserRead):
    """The calling user and the scopes of these credentials."""

    scopes: list[str]
    key_id: UUID | None
    models: list[str] | None


class PasswordChange(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "current_password": "a long sentence",
                "new_password": "another long sentence",
            }
        }
    )

    current_password: TypedPassword
    new_password: Password
