"""The name of the request being served, for answers and logs."""

import re
from contextvars import ContextVar

from uuid_utils import uuid7

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def begin_request(offered: bytes | None) -> str:
    """Takes the caller's X-Request-Id if it is harmless, else makes one, and remembers it."""
    wanted = offered is not None and _SAFE.fullmatch(offered)
    name = offered.decode() if wanted and offered else str(uuid7())
    _request_id.set(name)
    return name


def current_request_id() -> str:
    """The id of the request this task serves; empty outside of one."""
    return _request_id.get()
