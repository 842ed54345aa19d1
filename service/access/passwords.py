"""Passwords as argon2id (RFC 9106), with the parameters OWASP gives: 19 MiB, 2 passes, 1 lane."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import AfterValidator, Field, SecretStr

MOST_BYTES = 1024
_HASHER = Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1)
_THREADS = ThreadPoolExecutor(max(1, os.cpu_count() or 1), thread_name_prefix="argon2")


def _not_too_long(password: SecretStr) -> SecretStr:
    if len(password.get_secret_value().encode()) > MOST_BYTES:
        raise ValueError(f"must not be longer than {MOST_BYTES} bytes")
    return password


Password = Annotated[
    SecretStr,
    Field(
        min_length=8, description="8 characters to 1,024 bytes; kept as argon2id, never returned"
    ),
    AfterValidator(_not_too_long),
]


async def hash_password(password: SecretStr) -> str:
    """The encoded hash, ``$argon2id$v=19$m=19456,t=2,p=1$…``; some 30 ms of one core."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREADS, _HASHER.hash, password.get_secret_value())
