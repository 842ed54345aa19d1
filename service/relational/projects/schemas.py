"""Schemas of projects, their members and invitations."""

from typing import Annotated, Literal
from uuid import UUID
from zlib import crc32

from pydantic import MISSING, ConfigDict, Field

from service.relational.projects.permissions import ProjectRole
from service.relational.users.emails import AnyEmail
from service.web.lists.pagination import ListQuery
from service.web.schemas import Moment, Name, RequestModel, Text, Versioned

Description = Annotated[Text, Field(max_length=5000)]


class ProjectCreate(RequestModel):
    """A new project. Its creator is its first owner."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Churn", "description": "Who leaves, and why."}}
    )

    name: Name
    description: Description = ""


class ProjectUpdate(RequestModel):
    """A merge patch: an absent field is unchanged."""

    model_config = ConfigDict(json_schema_extra={"example": {"description": "Who stays."}})

    name: Name | MISSING = MISSING
    description: Description | MISSING = MISSING


class ProjectRead(Versioned):
    id: UUID
    name: str
    description: str
    created_by: UUID
    my_role: ProjectRole | None = Field(
        description="null if you are no member and see the project by `projects:admin`"
    )
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None

    def etag_value(self) -> str:
        return f"{self.version}.{self.my_role or 'none'}"


class ProjectQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
    deleted: bool = Field(False, description="list deleted projects that you may restore instead")
    my_role: ProjectRole | None = Field(None, description="those in which you have this role")


class MemberUpdate(RequestModel):
    """A merge patch: an absent field is unchanged."""

    model_config = ConfigDict(json_schema_extra={"example": {"role": "admin"}})

    role: ProjectRole | MISSING = MISSING


class MemberRead(Versioned):
    """A membership in a project, since ``created_at``."""

    project_id: UUID
    user_id: UUID
    username: str
    name: str | None
    role: ProjectRole
    created_at: Moment
    updated_at: Moment

    def etag_value(self) -> str:
        return f"{self.version}.{crc32(f'{self.username} {self.name}'.encode()):x}"


class MemberQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "created_at"


class InvitationCreate(RequestModel):
    """An invitation for the user with this email, now or later; valid for 14 days."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"email": "grace@example.com", "role": "member"}}
    )

    email: AnyEmail
    role: ProjectRole = "member"


class InvitationRead(Versioned):
    id: UUID
    project_id: UUID
    email: str
    role: ProjectRole
    invited_by: UUID
    expires_at: Moment
    accepted_at: Moment | None
    declined_at: Moment | None
    created_at: Moment
    updated_at: Moment


class InvitationSecret(InvitationRead):
    """A new invitation with its secret, which is never shown again: give it to the invited."""

    secret: str


class InvitationAccept(RequestModel):
    """The secret of the invitation; without one, your email must be verified."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"secret": "WkZ0b2x5c3RvcmUtaW52aXRhdGlvbi1zZWNyZXQtMDE"}}
    )

    secret: Annotated[str, Field(max_length=200)] | None = None


class InvitationToMe(InvitationRead):
    """An invitation as the invited user sees it, with project and inviter."""

    project_name: str
    invited_by_username: str


class InvitationQuery(ListQuery):
    sort: Literal["created_at", "-created_at"] = "-created_at"
