"""Addresses of users."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from service.answers import IfMatch, Reply
from service.openapi import problems
from service.paging import Page
from service.sql_route import SqlRoute
from service.users.repository import EmailTaken, SomeUsersTaken, UsernameTaken, UserNotFound, Users
from service.users.schemas import (
    EmailQuery,
    UserBulkCreate,
    UserBulkDeactivate,
    UserCreate,
    UserEmail,
    UserQuery,
    UserRead,
    UsersRead,
    UserUpdate,
)

router = APIRouter(prefix="/users", tags=["users"], route_class=SqlRoute)


@router.post("", status_code=201, responses=problems(EmailTaken, UsernameTaken))
async def users_create(user: UserCreate, users: Users, reply: Reply) -> UserRead:
    made = await users.add(user)
    return reply.created(made, made.id)


@router.get("", responses=problems())
async def users_list(query: Annotated[UserQuery, Query()], users: Users) -> Page[UserRead]:
    return await users.list(query)


@router.get("/emails", responses=problems())
async def users_list_emails(query: Annotated[EmailQuery, Query()], users: Users) -> Page[UserEmail]:
    """The addresses alone, for those who write letters."""
    return await users.list_emails(query)


@router.post("/bulk", status_code=201, responses=problems(SomeUsersTaken))
async def users_create_bulk(bulk: UserBulkCreate, users: Users) -> UsersRead:
    """Creates all of them or none."""
    return UsersRead(items=await users.add_all(bulk.items))


@router.post("/bulk/deactivate", responses=problems(UserNotFound))
async def users_deactivate_bulk(bulk: UserBulkDeactivate, users: Users) -> UsersRead:
    """Sets ``is_active`` to false for all of them or none."""
    return UsersRead(items=await users.deactivate_all(bulk.items))


@router.get("/{user_id}", responses=problems(UserNotFound, cached=True))
async def users_get(user_id: UUID, users: Users, reply: Reply) -> UserRead:
    return reply.found(await users.get(user_id))


@router.patch(
    "/{user_id}", responses=problems(UserNotFound, EmailTaken, UsernameTaken, guarded=True)
)
async def users_update(
    user_id: UUID, change: UserUpdate, users: Users, expected: IfMatch, reply: Reply
) -> UserRead:
    return reply.changed(await users.change(user_id, change, expected))


@router.delete("/{user_id}", status_code=204, responses=problems(UserNotFound, guarded=True))
async def users_delete(user_id: UUID, users: Users, expected: IfMatch) -> None:
    """Hides the user; restore brings them back."""
    await users.remove(user_id, expected)


@router.post("/{user_id}/restore", responses=problems(UserNotFound))
async def users_restore(user_id: UUID, users: Users, reply: Reply) -> UserRead:
    return reply.changed(await users.restore(user_id))
