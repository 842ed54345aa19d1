"""The time of a login does not reveal whether a username exists."""

import time
from statistics import median

import httpx2
import pytest
from pydantic import SecretStr

from service.auth.passwords import verify_password
from service.main import State
from service.relational.logins import token_grants as grants
from tests.relational.logins.factories import by_password, create_password_user

TRIES = 25
LEAST, MOST = 0.75, 1.33


async def seconds(client: httpx2.AsyncClient, name: str) -> float:
    """Return the processor time of a failed login; hashing dominates it."""
    began = time.process_time()
    assert (await by_password(client, name, "wrong horse")).status_code == 401
    return time.process_time() - began


async def ratio(client: httpx2.AsyncClient, known: str) -> float:
    """Return the time for a known username divided by the time for an unknown one.

    Both are measured alternately, so that other load affects both.
    """
    await seconds(client, known)
    of_user, of_unknown = [], []
    for number in range(TRIES):
        of_user.append(await seconds(client, known))
        of_unknown.append(await seconds(client, f"nobody{number:06}"))
    return median(of_user) / median(of_unknown)


async def test_login_time_is_equal_for_unknown_username(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    assert LEAST < await ratio(auth_client, (await create_password_user(state)).username) < MOST


async def test_login_time_is_equal_for_user_without_password(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    without = await create_password_user(state, password_hash=None)
    assert LEAST < await ratio(auth_client, without.username) < MOST


async def test_time_measurement_detects_early_rejection(
    auth_client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hasty(password: SecretStr, kept: str | None) -> tuple[bool, str | None]:
        return (False, None) if kept is None else await verify_password(password, kept)

    monkeypatch.setattr(grants, "verify_password", hasty)
    assert await ratio(auth_client, (await create_password_user(state)).username) > MOST
