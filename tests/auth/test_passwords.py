"""Passwords: how they are hashed, and that hashing them stops nobody else."""

import asyncio
import threading

import httpx2
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import SecretStr, TypeAdapter, ValidationError

from service.auth import passwords
from service.auth.passwords import MAX_BYTES, Password, hash_password
from tests.relational.users.factories import user_body

ADAPTER: TypeAdapter[SecretStr] = TypeAdapter(Password)


async def test_a_hash_verifies_its_password_alone_and_never_repeats() -> None:
    one = await hash_password(SecretStr("pässword one"))
    other = await hash_password(SecretStr("pässword one"))
    assert one != other, "each has a salt of its own"
    assert one.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Argon2Hasher().verify("pässword one", one)
    assert not Argon2Hasher().verify("pässword two", one)


async def test_the_loop_goes_on_while_a_few_passwords_at_a_time_are_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each hash stands still until the loop lets go: hashed inline, it never would."""
    go, lock = threading.Event(), threading.Lock()
    running, most = 0, 0

    def stand_still(_password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        assert go.wait(10)
        with lock:
            running -= 1
        return "hash"

    monkeypatch.setattr(passwords._HASH, "hash", stand_still)
    send_all = [asyncio.create_task(hash_password(SecretStr("x" * 8))) for _ in range(40)]
    while running < passwords._THREADS._max_workers:
        await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*send_all) == ["hash"] * 40
    assert most == passwords._THREADS._max_workers < 40


@pytest.mark.parametrize("text", ["", "seven77", "é" * (MAX_BYTES // 2 + 1), "x" * (MAX_BYTES + 1)])
def test_a_password_has_8_characters_to_1024_bytes(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ADAPTER.validate_python(text)
    assert text == "" or text not in str(refused.value.errors(include_input=False))


def test_a_long_passphrase_is_taken_and_not_shown() -> None:
    password = ADAPTER.validate_python("x" * MAX_BYTES)
    assert password.get_secret_value() == "x" * MAX_BYTES
    assert "x" not in repr(password).removeprefix("SecretStr")


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_many_passwords_at_once_are_hashed_before_the_transaction(
    client: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    items = [user_body(password="correct horse") for _ in range(100)]
    answer = await client.post("/v1/users/bulk", json={"items": items}, headers=headers)
    assert answer.status_code == 201
