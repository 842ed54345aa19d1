"""Schemas of users."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import MISSING, AfterValidator, ConfigDict, Field

from service.auth.passwords import Password
from service.auth.roles import Role
from service.relational.users.emails import AnyEmail, Email
from service.web.bulk import Items
from service.web.lists.pagination import OffsetQuery
from service.web.lists.sorting import Sorting
from service.web.lists.values import BEFORE, FROM, WITHOUT, FilterText, Others, Several
from service.web.schemas import (
    EXAMPLE_ID,
    Moment,
    Name,
    RequestModel,
    ResponseModel,
    Search,
    StrictBool,
    StrictInt,
    Text,
    Time,
    Versioned,
)

MOST_PASSWORDS_AT_ONCE = 100
Username = Annotated[
    str, Field(min_length=2, max_length=50, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
]
Age = Annotated[StrictInt, Field(ge=0, le=150)]
AgeFilter = Annotated[int, Field(ge=0, le=150)]
Status = Literal["active", "inactive", "pending", "suspended"]
City = Annotated[Text, Field(max_length=200)]
Bio = Annotated[Text, Field(max_length=5000)]


class UserFields(RequestModel):
    """The fields that users may choose for themselves, in a request that has all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"username": "ada", "email": "ada@example.com", "name": "Ada Lovelace"}
        }
    )

    username: Username
    email: AnyEmail
    name: Name | None = None
    age: Age | None = None
    city: City | None = None
    bio: Bio | None = None


class UserCreate(UserFields):
    """A new user. Without a password the user cannot log in.

    ``status``, ``is_active`` and ``role`` are for those with ``users:admin`` to choose.
    """

    email: Email
    status: Status = "active"
    is_active: StrictBool = True
    role: Role = "member"
    password: Password | None = None


class UserReplace(UserFields):
    """The whole user: an absent field becomes null.

    ``status``, ``is_active`` and ``role`` stay if they are absent; to change them demands
    ``users:admin``. The password stays; an email that is another one is not verified.
    """

    status: Status | MISSING = MISSING
    is_active: StrictBool | MISSING = MISSING
    role: Role | MISSING = MISSING


class UserUpdate(RequestModel):
    """A merge patch: an absent field is unchanged, null removes it.

    ``status``, ``is_active``, ``role``, ``password`` and ``email_verified`` are for those with
    ``users:admin``; one's own password is changed by POST /v1/me/password. Another email is not
    verified, unless the same change sets it.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"city": "London", "bio": None}})

    username: Username | MISSING = MISSING
    email: AnyEmail | MISSING = MISSING
    name: Name | None | MISSING = MISSING
    age: Age | None | MISSING = MISSING
    city: City | None | MISSING = MISSING
    bio: Bio | None | MISSING = MISSING
    status: Status | MISSING = MISSING
    is_active: StrictBool | MISSING = MISSING
    role: Role | MISSING = MISSING
    password: Password | MISSING = MISSING
    email_verified: StrictBool | MISSING = MISSING


class UserRead(Versioned):
    id: UUID
    username: str
    email: str
    name: str | None
    age: int | None
    city: str | None
    bio: str | None
    status: Status
    is_active: bool
    role: Role
    email_verified_at: Moment | None = Field(
        description="when an administrator found that the email is this user's"
    )
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None


class UserEmail(ResponseModel):
    id: UUID
    email: str


def _few_passwords(users: list[UserCreate]) -> list[UserCreate]:
    # Those that break the schema are Broken, and make nobody hash.
    if sum(getattr(user, "password", None) is not None for user in users) > MOST_PASSWORDS_AT_ONCE:
        raise ValueError(
            f"at most {MOST_PASSWORDS_AT_ONCE} may have a password: each takes 30 ms to hash"
        )
    return users


class UserBulkCreate(RequestModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {"items": [{"username": "alan", "email": "alan@example.com"}]}
        }
    )

    items: Annotated[Items[UserCreate], AfterValidator(_few_passwords)]


class UserBulkDeactivate(RequestModel):
    """The ids of the users to deactivate."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE_ID]}})

    items: Items[UUID]


class UsersRead(ResponseModel):
    """The users that a bulk request created or changed, in its order."""

    items: Sequence[UserRead]


class UserQuery(OffsetQuery):
    sort: Annotated[
        str,
        Sorting("created_at", "username", "name", "email", "age", then=["city"], committed=True),
    ] = "-created_at"
    q: Search | None = Field(
        None,
        description="parts of words of username, name, city or email",
    )
    username: FilterText | None = Field(None, description="in any case")
    username__in: Several[FilterText] | None = None
    email: FilterText | None = Field(None, description="in any case")
    email__in: Several[FilterText] | None = None
    name: FilterText | None = Field(None, description="the whole name, in any case")
    name__prefix: FilterText | None = Field(
        None, description="the beginning of the name, in any case"
    )
    name__null: bool | None = Field(None, description=WITHOUT)
    city: FilterText | None = Field(None, description="the whole city, in any case")
    city__in: Several[FilterText] | None = None
    city__null: bool | None = Field(None, description=WITHOUT)
    age: AgeFilter | None = Field(None, description="years")
    age__in: Several[AgeFilter] | None = None
    age__gte: AgeFilter | None = Field(None, description="at least so many years")
    age__lte: AgeFilter | None = Field(None, description="at most so many years")
    age__null: bool | None = Field(None, description=WITHOUT)
    status: Status | None = Field(None, description="this status")
    status__in: Several[Status] | None = None
    status__ne: Annotated[tuple[Status, ...], Others(Status)] | None = Field(
        None, description="any other status"
    )
    role: Role | None = Field(None, description="this role")
    role__in: Several[Role] | None = None
    role__ne: Annotated[tuple[Role, ...], Others(Role)] | None = Field(
        None, description="any other role"
    )
    is_active: bool | None = Field(
        None, description="`true`: active users; `false`: deactivated ones"
    )
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
    deleted: bool = Field(False, description="list the deleted users instead")


class EmailQuery(OffsetQuery):
    sort: Annotated[str, Sorting("created_at", "email")] = "-created_at"
    is_active: bool | None = Field(
        None, description="`true`: active users; `false`: deactivated ones"
    )
    created_at__gte: Time | None = Field(None, description=FROM)
    created_at__lt: Time | None = Field(None, description=BEFORE)
