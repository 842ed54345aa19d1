"""Schemas of erasure."""

from typing import Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from service.auth.passwords import TypedPassword
from service.web.schemas import RequestModel, ResponseModel


class UserErase(RequestModel):
    """Proof that you are the user. Administrators need none."""

    model_config = ConfigDict(json_schema_extra={"example": {"password": "a long sentence"}})

    password: TypedPassword | None = Field(None, description="your own password")


class Removed(ResponseModel):
    """How many rows of each kind were removed."""

    posts: int
    comments: int = Field(description="by the user, and by others on the user's posts")
    projects: int = Field(
        description="deleted projects without another owner, experiments or registered models"
    )
    memberships: int
    invitations: int = Field(description="by the user, and to the user's email")
    accounts: int = Field(description="accounts without any transfer")
    api_keys: int
    logins: int


class Kept(ResponseModel):
    """How many rows of each kind others rely on; they do not name the user any more."""

    orders: int
    accounts: int = Field(description="closed accounts with transfers")
    transfers: int
    projects: int = Field(
        description="created by the user; with another owner, experiments or registered models"
    )
    stock_movements: int
    audit_events: int


class Erased(ResponseModel):
    """The rows that the erasure of a user removed, and those that are kept."""

    id: UUID
    removed: Removed
    kept: Kept
    documents: Literal["kept"] = "kept"
    detail: str = (
        "Items of this user, and predictions with this user_id, are in MongoDB. "
        "They are not erased yet."
    )
