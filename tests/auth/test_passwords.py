"""Passwords: how they are hashed, and that hashing them stops nobody else."""

import asyncio
import threading
from typing import Any

import httpx2
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr, TypeAdapter, ValidationError

from service.auth import passwords
from service.auth.passwords import MAX_BYTES, Password, hash_password
from service.main import State
from tests.relational.users.factories import user_body

pytestmark = pytest.mark.usefixtures("real_hashing")
ADAPTER: TypeAdapter[SecretStr] = TypeAdapter(Password)


async def test_hash_verifies_its_password_and_is_salted() -> None:
    one = await hash_password(SecretStr("pässword one"))
    other = await hash_password(SecretStr("pässword one"))
    assert one != other, "each hash has its own salt"
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Argon2Hasher().verify("pässword one", one)
    assert not Argon2Hasher().verify("pässword two", one)


async def test_hashing_does_not_block_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each hash waits for the loop to set ``go``; hashed on the loop it would never end."""
    go, lock = threading.Event(), threading.Lock()
    running, peak = 0, 0

    def wait_for_loop(_password: str) -> str:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        assert go.wait(10)
        with lock:
            running -= 1
        return "hash"

    monkeypatch.setattr(passwords._HASH, "hash", wait_for_loop)
    hashing = [asyncio.create_task(hash_password(SecretStr("x" * 8))) for _ in range(40)]
    while running < passwords._THREADS._max_workers:
        await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*hashing) == ["hash"] * 40
    assert peak == passwords._THREADS._max_workers < 40


@pytest.mark.parametrize("text", ["", "seven77", "é" * (MAX_BYTES // 2 + 1), "x" * (MAX_BYTES + 1)])
def test_password_too_short_or_too_long_is_invalid(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ADAPTER.validate_python(text)
    assert text == "" or text not in str(refused.value.errors(include_input=False))


def test_password_long_is_valid_and_not_in_repr() -> None:
    password = ADAPTER.validate_python("x" * MAX_BYTES)
    assert password.get_secret_value() == "x" * MAX_BYTES
    assert "x" not in repr(password).removeprefix("SecretStr")


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_passwords_are_hashed_before_the_transaction(
    client: httpx2.AsyncClient,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
) -> None:
    """No connection waits for the hashes of a hundred passwords, which take seconds."""
    connections: list[int] = []

    def hash_quickly(_password: str) -> str:
        pool: Any = state["sql"].engine.pool
        connections.append(pool.checkedout())
        return "hash"

    monkeypatch.setattr(passwords._HASH, "hash", hash_quickly)
    items = [user_body(password="correct horse") for _ in range(100)]
    response = await client.post("/v1/users/bulk", json={"items": items}, headers=headers)
    assert response.status_code == 201
    assert connections == [0] * 100
