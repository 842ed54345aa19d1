"""Rotation of API keys: validity of old and new secrets."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest

from service.main import State
from service.relational.api_keys.verification import hash_secret
from service.relational.authenticator import SqlAuthenticator
from tests.auth.factories import create_user
from tests.relational.api_keys.factories import (
    HOUR,
    change_key,
    make_key,
    now,
    opens,
    rotate,
)


async def test_rotate_keeps_old_secret_valid_during_overlap(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    answer = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    new = answer.json()
    assert (answer.status_code, new["version"], answer.headers["etag"]) == (200, 2, '"2"')
    assert answer.headers["cache-control"] == "no-store"
    assert await opens(auth_client, made["key"])
    assert await opens(auth_client, new["key"])
    await change_key(state, made["id"], previous_until=now() - HOUR)
    authenticator.invalidate(UUID(made["id"]))
    assert not await opens(auth_client, made["key"])
    assert await opens(auth_client, new["key"])


async def test_rotate_overlap_ends_for_cached_key(
    auth_client: httpx2.AsyncClient, state: State, authenticator: SqlAuthenticator
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    soon = now() + timedelta(seconds=2)
    await change_key(state, made["id"], previous_until=soon)
    authenticator.invalidate(UUID(made["id"]))
    assert await opens(auth_client, made["key"])
    while now() < soon:
        await opens(auth_client, made["key"])
        await asyncio.sleep(0.05)
    assert not await opens(auth_client, made["key"])


async def test_rotate_without_overlap_ends_old_secret_at_once(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    new = (await rotate(auth_client, made["id"], owner.headers, overlap_seconds=0)).json()
    assert not await opens(auth_client, made["key"])
    assert await opens(auth_client, new["key"])


async def test_rotate_in_other_process_is_valid_within_a_minute(
    auth_client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    assert await opens(auth_client, made["key"])
    await change_key(state, made["id"], secret_hash=hash_secret("elsewhere"))
    monkeypatch.setattr("service.relational.authenticator.RECHECK_SECONDS", 0.0)
    assert await opens(auth_client, f"pk_{UUID(made['id']).hex}_elsewhere")
    assert not await opens(auth_client, made["key"])


@pytest.mark.parametrize("overlap", [-1, 7 * 24 * 3600 + 1, "60", 1.5, None])
async def test_rotate_invalid_overlap_is_refused(
    auth_client: httpx2.AsyncClient, state: State, overlap: Any
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    answer = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=overlap)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/overlap_seconds"]


async def test_token_ends_with_the_secret_of_its_key(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    _, key_id, secret = made["key"].split("_", 2)
    form = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": secret}
    minted = (await auth_client.post("/v1/auth/token", data=form)).json()["access_token"]
    assert await opens(auth_client, minted)
    assert (
        await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    ).status_code == 200
    assert await opens(auth_client, minted)
    await rotate(auth_client, made["id"], owner.headers, overlap_seconds=0)
    assert not await opens(auth_client, minted)


async def test_rotate_twice_keeps_earlier_overlap(
    auth_client: httpx2.AsyncClient, state: State
) -> None:
    owner = await create_user(state)
    made = await make_key(auth_client, owner)
    await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    again = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=60)
    assert (again.status_code, again.json()["code"]) == (409, "rotation_running")
    assert await opens(auth_client, made["key"])
    at_once = await rotate(auth_client, made["id"], owner.headers, overlap_seconds=0)
    assert at_once.status_code == 200
    assert not await opens(auth_client, made["key"])
