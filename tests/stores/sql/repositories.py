"""Rows made through repositories, in the session of a context."""

from dataclasses import replace
from typing import Any

from sqlalchemy import func

from service.relational.tags.repository import TagRepository
from service.relational.tags.schemas import TagCreate, TagQuery, TagRead
from service.relational.tags.tables import Tag
from service.relational.users.repository import UserRepository
from service.relational.users.schemas import UserCreate, UserRead
from service.stores.sql.context import SqlContext
from service.stores.sql.lists.filters import has_parts
from service.stores.sql.lists.listing import SqlListing
from tests.fixtures.client import member_caller
from tests.relational.users.factories import user_body


class TagEntityRepository(TagRepository):
    """Tags read as entities instead of columns."""

    listing = SqlListing(
        Tag,
        TagQuery,
        filters={"name": func.fold_name(Tag.name), "created_at": Tag.created_at},
        custom={"q": has_parts(Tag.search, Tag.name)},
    )


async def add_tags(context: SqlContext, *names: str) -> list[TagRead]:
    return [(await TagRepository(context).put(TagCreate(name=name)))[0] for name in names]


async def add_user(context: SqlContext, **fields: Any) -> UserRead:
    users = UserRepository(context)
    user_id, _ = await users.add(UserCreate(**user_body(**fields)))
    return await users.get(user_id)


async def as_member(context: SqlContext) -> SqlContext:
    """Return the context of a new user with the member role."""
    return replace(context, caller=member_caller((await add_user(context)).id))
