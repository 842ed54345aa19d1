"""Passwords as argon2id (RFC 9106), with the parameters OWASP gives: 19 MiB, 2 passes, 1 lane.

Hashing runs in one thread less than there are processors, at low priority and with pauses, so that
many logins slow down logins and little else (benchmarks/login_load.py).
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
MAX_BYTES, MAX_WAITING = 1024, 200
_HASH = PasswordHash((Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1),))
_NICE, PAUSE = 10, 1.0


class HashingBusy(Unavailable):
    store_fails = False
    code, title = "hashing_busy", "Too many passwords are being checked"
    detail = "Try again in a few seconds."


def _lower_priority() -> None:
    if sys.platform == "linux":  # only there has a thread a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


_THREADS = ThreadPoolExecutor(
    max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="argon2", initializer=_lower_priority
)


def _not_too_long(password: SecretStr) -> SecretStr:
    if len(password.get_secret_value().encode(errors="surrogatepass")) > MAX_BYTES:
        raise ValueError(f"must not be longer than {MAX_BYTES} bytes")
    return password


Password = Annotated[
    SecretStr,
    Field(
        min_length=8, description="8 characters to 1,024 bytes; kept as argon2id, never returned"
    ),
    AfterValidator(_not_too_long),
]
# A typed password, which need not follow the rules for new ones.
TypedPassword = Annotated[SecretStr, AfterValidator(_not_too_long)]


async def hash_password(password: SecretStr) -> str:
    """Return the hash, ``$argon2id$v=19$m=19456,t=2,p=1$…``; 28 ms of one core (measured)."""
    return await _in_thread(_HASH.hash, password.get_secret_value())


async def verify_password(password: SecretStr, stored: str | None) -> tuple[bool, str | None]:
    """Return whether the password has this hash, and a new hash if the parameters have changed.

    Without a hash the check takes as long and fails, so that its time does not reveal users.
    """
    typed = password.get_secret_value()
    try:
        matches, better = await _in_thread(_HASH.verify_and_update, typed, stored or _DUMMY_HASH)
    except UnknownHashError:  # a hash of another program
        return False, None
    return (matches, better) if stored is not None else (False, None)


_DUMMY_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$Vu2Wihvr31tcDYuZ7eRPlA"
    "$ezn5xyJUREBv3TvqR0fmZOl9YQhu/4bRWpz0DDRm5ZA"
)
_waiting = 0
_thread = threading.local()


async def _in_thread(work: Callable[..., T], *arguments: str) -> T:
    global _waiting  # noqa: PLW0603 - as many threads as the process has, so one count as well
    if _waiting >= MAX_WAITING:
        raise HashingBusy(retry_after=5)
    _waiting += 1
    try:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_THREADS, _with_pauses, work, *arguments)
    finally:
        _waiting -= 1


def _with_pauses(work: Callable[..., T], *arguments: str) -> T:
    """Run it; while others wait, pause first for as long as the last run took."""
    pause: float = getattr(_thread, "free_at", 0.0) - time.monotonic()
    if pause > 0 and _waiting > 1:
        time.sleep(pause)
    began = time.monotonic()
    result = work(*arguments)
    ended = time.monotonic()
    _thread.free_at = ended + (ended - began) * PAUSE
    return result
