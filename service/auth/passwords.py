"""Passwords as argon2id (RFC 9106), with the parameters OWASP gives: 19 MiB, 2 passes, 1 lane.

Hashed in as many threads as there are processors to spare, of low priority and with rests in
between, so that a rush of logins slows down logins and little else (benchmarks/login_load.py).
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pydantic import AfterValidator, Field, SecretStr

from service.core.errors import Unavailable

T = TypeVar("T")
MOST_BYTES, MOST_WAITING = 1024, 200
_HASH = PasswordHash((Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1),))
_NICE, REST = 10, 1.0


class HashingBusy(Unavailable):
    store_fails = False
    code, title = "hashing_busy", "Too many passwords are being checked"
    detail = "Try again in a few seconds."


def _yield_to_others() -> None:
    if sys.platform == "linux":  # where a thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


_THREADS = ThreadPoolExecutor(
    max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="argon2", initializer=_yield_to_others
)


def _not_too_long(password: SecretStr) -> SecretStr:
    if len(password.get_secret_value().encode(errors="surrogatepass")) > MOST_BYTES:
        raise ValueError(f"must not be longer than {MOST_BYTES} bytes")
    return password


Password = Annotated[
    SecretStr,
    Field(
        min_length=8, description="8 characters to 1,024 bytes; kept as argon2id, never returned"
    ),
    AfterValidator(_not_too_long),
]
# As somebody typed it, who may not know the rules for new ones.
TypedPassword = Annotated[SecretStr, AfterValidator(_not_too_long)]


async def hash_password(password: SecretStr) -> str:
    """The encoded hash, ``$argon2id$v=19$m=19456,t=2,p=1$…``; some 30 ms of one core."""
    return await _in_thread(_HASH.hash, password.get_secret_value())


async def verify_password(password: SecretStr, kept: str | None) -> tuple[bool, str | None]:
    """Whether it is the password of this hash, and a better hash if the parameters have changed.

    Without a hash it takes as long and is not: who measures learns nothing of who is a user.
    """
    typed = password.get_secret_value()
    try:
        good, better = await _in_thread(_HASH.verify_and_update, typed, kept or _OF_NOBODY)
    except UnknownHashError:  # somebody else wrote it
        return False, None
    return (good, better) if kept is not None else (False, None)


_OF_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1$Vu2Wihvr31tcDYuZ7eRPlA"
    "$ezn5xyJUREBv3TvqR0fmZOl9YQhu/4bRWpz0DDRm5ZA"
)
_waiting = 0
_thread = threading.local()


async def _in_thread(work: Callable[..., T], *arguments: str) -> T:
    global _waiting  # noqa: PLW0603 - as many threads as the process has, so one count as well
    if _waiting >= MOST_WAITING:
        raise HashingBusy(retry_after=5)
    _waiting += 1
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_THREADS, _in_turn, work, *arguments)
    finally:
        _waiting -= 1


def _in_turn(work: Callable[..., T], *arguments: str) -> T:
    """In a rush, a thread rests for as long as it has just worked."""
    rest: float = getattr(_thread, "free_at", 0.0) - time.monotonic()
    if rest > 0 and _waiting > 1:
        time.sleep(rest)
    began = time.monotonic()
    result = work(*arguments)
    ended = time.monotonic()
    _thread.free_at = ended + (ended - began) * REST
    return result
