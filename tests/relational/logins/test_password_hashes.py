"""Rehashing of passwords at a login."""

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx2
from sqlalchemy import select

from service.main import State
from service.relational.logins import repository as logins
from service.relational.logins.repository import PasswordUser
from service.relational.users.tables import User
from tests.relational.logins.factories import (
    by_password,
    by_refresh,
    change_user,
    create_password_user,
    current_hash,
    log_in,
    outdated_hash,
    status_of,
    tokens_of,
)


async def test_login_rehashes_password_with_current_parameters(
    auth_client: httpx2.AsyncClient, state: State, real_hashing: None
) -> None:
    user = await create_password_user(state, password_hash=outdated_hash())
    assert (await by_password(auth_client, user.username, "wrong horse")).status_code == 401
    assert await hash_of(state, user.id) == outdated_hash()
    tokens = await log_in(auth_client, user.username)
    better = await hash_of(state, user.id)
    assert better.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await status_of(auth_client, tokens.headers) == 200
    assert tokens_of(await by_refresh(auth_client, tokens.refresh))
    await log_in(auth_client, user.username)
    assert await hash_of(state, user.id) == better


async def test_login_two_concurrent_rehashes_both_succeed(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state, password_hash=outdated_hash())
    answers = await asyncio.gather(*(by_password(auth_client, user.username) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]


async def hash_of(state: State, user_id: UUID) -> str:
    async with state["sql"].engine.connect() as connection:
        password_hash = await connection.scalar(
            select(User.password_hash).where(User.id == user_id)
        )
    assert password_hash is not None
    return password_hash


async def test_login_password_changed_meanwhile_is_refused(
    state: State, reset_stores: None
) -> None:
    user = await create_password_user(state)
    sql, lifetime = state["sql"], timedelta(days=1)

    async def opened(password_hash: str) -> UUID | None:
        user_row = PasswordUser(user.id, "member", password_hash)
        return await sql.run(
            lambda session: logins.open_login(session, user_row, b"", frozenset(), lifetime),
            writes=True,
        )

    assert await opened(current_hash()) is not None
    await change_user(state, user.id, password_hash=outdated_hash())
    assert await opened(current_hash()) is None
