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

pytestmark = pytest.mark.usefixtures("real_hashing")
TRIES = 15
LEAST, MOST = 0.75, 1.33


async def seconds(client: httpx2.AsyncClient, name: str) -> float:
    """Return the processor time of a failed login; hashing dominates it."""
    began = time.process_time()
    assert (await by_password(client, name, "wrong horse")).status_code == 401
    return time.process_time() - began


async def ratios(client: httpx2.AsyncClient, *known: str, tries: int = TRIES) -> list[float]:
    """Return the time for each known username divided by the time for an unknown one.

    All are measured in turn, so that other load affects all.
    """
    await seconds(client, known[0])
    times = [
        [await seconds(client, name) for name in (*known, f"nobody{number:06}")]
        for number in range(tries)
    ]
    *of_users, of_unknown = map(median, zip(*times, strict=True))
    return [of_user / of_unknown for of_user in of_users]


async def test_login_time_is_equal_for_unknown_name_and_missing_password(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    user = await create_password_user(state)
    without = await create_password_user(state, password_hash=None)
    measured = await ratios(auth_client, user.username, without.username)
    assert [LEAST < ratio < MOST for ratio in measured] == [True, True], measured


async def test_time_measurement_detects_early_rejection(
    auth_client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hasty(password: SecretStr, kept: str | None) -> tuple[bool, str | None]:
        return (False, None) if kept is None else await verify_password(password, kept)

    monkeypatch.setattr(grants, "verify_password", hasty)
    user = await create_password_user(state)
    (measured,) = await ratios(auth_client, user.username, tries=5)
    assert measured > MOST
