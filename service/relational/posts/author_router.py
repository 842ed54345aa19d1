"""Route of one user: here and not in users, because it can nest posts, which stand on users."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.auth.caller import needs
from service.relational.posts.authors import Authors
from service.relational.posts.schemas import AuthorExpand, AuthorRead
from service.relational.users.repository import UserNotFound
from service.stores.sql.route import SqlRoute
from service.web.conditional import Reply
from service.web.openapi import problems

router = APIRouter(prefix="/users", tags=["users"], route_class=SqlRoute)


@router.get(
    "/{user_id}",
    response_model=AuthorRead,
    dependencies=[needs("users:read")],
    responses=problems(UserNotFound, cached=True),
)
async def users_get(
    user_id: UUID, query: Annotated[AuthorExpand, Query()], authors: Authors, reply: Reply
) -> Response:
    return reply.ok_json(await authors.get_json(user_id, query.expand))
