"""Changes of credentials through one process take effect in another within the cache's time."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from service.auth.credential_cache import FRESH_SECONDS
from service.main import State
from tests.auth.factories import LoggedInUser, bearer, create_key, create_user
from tests.fixtures.service import on_stores_of, running_service

pytestmark = [pytest.mark.failover, pytest.mark.xdist_group("two_processes")]
REQUEST_SECONDS = 5.0  # a request that began within the time may take as long


async def test_credentials_ended_elsewhere_are_refused_in_time(
    anonymous_client: httpx2.AsyncClient, state: State, tmp_path: Path
) -> None:
    """A revoked key, a logout, a deactivated user and a weaker role, while all are in use."""
    admin = (await create_user(state, "admin")).headers
    leaving, inactive, demoted = [await create_user(state, "editor") for _ in range(3)]
    key = await create_key(state, leaving.id, "users:read")
    headers = {
        "key": bearer(key),
        "logout": leaving.headers,
        "inactive": inactive.headers,
        "demoted": demoted.headers,
    }
    with running_service(tmp_path, **on_stores_of(state["settings"])) as service:
        async with httpx2.AsyncClient(base_url=service.url, timeout=30) as other:

            async def scopes() -> dict[str, object]:
                """Return the scopes of each credential in the other process; None if refused."""
                answers = {
                    name: await other.get("/v1/me", headers=h) for name, h in headers.items()
                }
                return {
                    name: set(answer.json()["scopes"]) if answer.status_code == 200 else None
                    for name, answer in answers.items()
                }

            before = await scopes()
            assert None not in before.values()
            await _end(anonymous_client, admin, key, leaving)
            for user, change in ((inactive, {"is_active": False}), (demoted, {"role": "member"})):
                await _patch(anonymous_client, admin, user, change)
            began = time.monotonic()
            async with asyncio.timeout(FRESH_SECONDS + REQUEST_SECONDS):
                while True:
                    now = await scopes()
                    ended = [now[name] is None for name in ("key", "logout", "inactive")]
                    if all(ended) and now["demoted"] != before["demoted"]:
                        break
                    await asyncio.sleep(0.1)
    assert time.monotonic() - began < FRESH_SECONDS + REQUEST_SECONDS


async def _end(
    client: httpx2.AsyncClient, admin: dict[str, str], key: str, user: LoggedInUser
) -> None:
    """Revoke the key, and log its user out."""
    key_id = UUID(key.split("_")[1])
    revoked = await client.delete(f"/v1/api_keys/{key_id}", headers=admin)
    assert revoked.status_code == 204, revoked.text
    logout = await client.post("/v1/auth/revoke", data={"token": user.token})
    assert logout.status_code == 200, logout.text


async def _patch(
    client: httpx2.AsyncClient,
    admin: dict[str, str],
    user: LoggedInUser,
    change: Mapping[str, object],
) -> None:
    path = f"/v1/users/{user.id}"
    etag = (await client.get(path, headers=admin)).headers["ETag"]
    changed = await client.patch(path, json=change, headers={**admin, "If-Match": etag})
    assert changed.status_code == 200, changed.text
