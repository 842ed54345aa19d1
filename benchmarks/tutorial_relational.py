"""Users and posts as the tutorials write them: the baseline of our routes.

An ORM session per request, check-then-insert, commit and refresh, joinedload, response_model; on
the same tables of the same database, without API keys or access checks.
"""

import os
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship
from uuid_utils.compat import uuid7

engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=10, max_overflow=10)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    username: Mapped[str]
    email: Mapped[str]
    name: Mapped[str | None]
    age: Mapped[int | None]
    city: Mapped[str | None]
    bio: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="active")
    is_active: Mapped[bool] = mapped_column(server_default="true")
    role: Mapped[str] = mapped_column(server_default="member")
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]


class Post(Base):
    __tablename__ = "posts"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    author_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    title: Mapped[str]
    slug: Mapped[str]
    content: Mapped[str]
    published: Mapped[bool]
    published_at: Mapped[datetime | None]
    views: Mapped[int]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    author: Mapped[User] = relationship()


class UserIn(BaseModel):
    username: str
    email: str
    name: str | None = None
    age: int | None = None
    city: str | None = None
    bio: str | None = None


class UserOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    username: str
    email: str
    name: str | None
    age: int | None
    city: str | None
    bio: str | None
    status: str
    is_active: bool
    role: str
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class AuthorOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    username: str
    name: str | None


class PostOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: UUID
    author_id: UUID
    title: str
    slug: str
    content: str
    published: bool
    published_at: datetime | None
    views: int
    version: int
    created_at: datetime
    updated_at: datetime
    author: AuthorOut


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Db = Annotated[AsyncSession, Depends(get_session)]


@app.get("/v1/users/{user_id}", response_model=UserOut)
async def get_user(user_id: UUID, session: Db) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise HTTPException(404)
    return user


@app.get("/v1/posts", response_model=list[PostOut])
async def list_posts(session: Db, limit: int = 50) -> list[Post]:
    statement = select(Post).options(joinedload(Post.author)).order_by(Post.created_at.desc())
    return list((await session.scalars(statement.limit(limit))).all())


@app.post("/v1/users", response_model=UserOut, status_code=201)
async def create_user(user: UserIn, session: Db) -> User:
    for column, value in ((User.email, user.email), (User.username, user.username)):
        if await session.scalar(select(User).where(func.lower(column) == value.lower())):
            raise HTTPException(409)
    row = User(**user.model_dump())
    session.add(row)
    await session.commit()
    await session.refresh(row)
    return row
