"""Routes of users, but that of one user, which posts have: it can nest their posts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from service.auth.caller import OPTIONAL_AUTH, needs
from service.relational.users.bulk import SomeUsersTaken, UserBulkDep
from service.relational.users.change import UserChangesDep
from service.relational.users.registration import RegistrationClosed, RegistrationDep
from service.relational.users.repository import (
    EmailTaken,
    RoleTooStrong,
    UsernameTaken,
    UserNotFound,
    UserRepository,
    Users,
)
from service.relational.users.schemas import (
    EmailQuery,
    UserBulkCreate,
    UserBulkDeactivate,
    UserCreate,
    UserEmail,
    UserQuery,
    UserRead,
    UserReplace,
    UsersRead,
    UserUpdate,
)
from service.stores.sql.context import SqlContext
from service.stores.sql.route import SqlRoute
from service.web.bulk import Bulk, BulkItems, bulk_problems
from service.web.conditional import IfMatch, Reply
from service.web.direct_route import query_parameters, read_query
from service.web.lists.pagination import Page
from service.web.openapi import problems
from service.web.route import policy

router = APIRouter(prefix="/users", tags=["users"], route_class=SqlRoute)


@router.post(
    "",
    status_code=201,
    response_model=UserRead,
    dependencies=[OPTIONAL_AUTH],
    responses=problems(EmailTaken, UsernameTaken, RegistrationClosed),
    openapi_extra={"security": [{}, {"bearer": []}]},
)
async def users_create(user: UserCreate, registration: RegistrationDep, reply: Reply) -> Response:
    """Register a user; open to everybody, unless an operator has closed registration."""
    user_id, made = await registration.add(user)
    return reply.created_json(made, user_id)


@router.get(
    "",
    response_model=Page[UserRead],
    dependencies=[needs("users:read")],
    responses=problems(),
    openapi_extra=query_parameters(UserQuery),
)
@policy(direct=True)
async def users_list(request: Request) -> Response:
    """List the users that you see, the newest first."""
    users = UserRepository(SqlContext.of(request, Response()))
    return await users.list_json(read_query(UserQuery, request))


@router.get(
    "/emails",
    response_model=Page[UserEmail],
    dependencies=[needs("users:admin")],
    responses=problems(),
)
async def users_list_emails(query: Annotated[EmailQuery, Query()], users: Users) -> Response:
    """List email addresses alone."""
    return await users.list_emails(query)


@router.post(
    "/bulk",
    status_code=201,
    response_model=UsersRead,
    dependencies=[needs("users:admin")],
    responses=bulk_problems(SomeUsersTaken, RoleTooStrong),
)
async def users_create_bulk(body: UserBulkCreate, query: Bulk, users: UserBulkDep) -> Response:
    """Create all users or none; with `atomic=false`, those that can be created."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await users.add_all(batch), 201)


@router.post(
    "/bulk/deactivate",
    response_model=UsersRead,
    dependencies=[needs("users:admin")],
    responses=bulk_problems(UserNotFound),
)
async def users_deactivate_bulk(
    body: UserBulkDeactivate, query: Bulk, users: UserBulkDep
) -> Response:
    """Set ``is_active`` to false for all users or none; with `atomic=false`, for known ones."""
    batch = BulkItems(body.items, query)
    return await batch.answer(await users.deactivate_all(batch), each_once=True)


@router.patch(
    "/{user_id}",
    dependencies=[needs("users:write")],
    responses=problems(UserNotFound, EmailTaken, UsernameTaken, if_match=True),
)
async def users_update(
    user_id: UUID, change: UserUpdate, users: UserChangesDep, expected: IfMatch, reply: Reply
) -> UserRead:
    """Change some fields of a user."""
    return reply.updated(await users.change(user_id, change, expected))


@router.put(
    "/{user_id}",
    dependencies=[needs("users:write")],
    responses=problems(UserNotFound, EmailTaken, UsernameTaken, if_match=True),
)
async def users_replace(
    user_id: UUID, user: UserReplace, users: UserChangesDep, expected: IfMatch, reply: Reply
) -> UserRead:
    """Replace the whole user. Absent privileged fields and the password stay.

    It creates no user: an unknown id is 404.
    """
    return reply.updated(await users.replace(user_id, user, expected))


@router.delete(
    "/{user_id}",
    status_code=204,
    dependencies=[needs("users:write")],
    responses=problems(UserNotFound, if_match=True),
)
async def users_delete(user_id: UUID, users: Users, expected: IfMatch) -> None:
    """Hide the user, who cannot log in any more, and their posts; restore brings all back.

    Their comments on posts of others stay. `POST …/erase` removes everything for good.
    """
    await users.remove(user_id, expected)


@router.post(
    "/{user_id}/restore",
    dependencies=[needs("users:admin")],
    responses=problems(UserNotFound),
)
async def users_restore(user_id: UUID, users: Users, reply: Reply) -> UserRead:
    """Bring a deleted user back."""
    return reply.updated(await users.restore(user_id))
