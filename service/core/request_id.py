"""The id of the request that the current task serves, for responses and logs."""

import re
from contextvars import ContextVar

from uuid_utils import uuid7

_request_id: ContextVar[str] = ContextVar("request_id", default="")
_SAFE = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def begin_request(header: bytes | None) -> str:
    """Set and return the id: the client's X-Request-Id if it is harmless, else a new one."""
    safe = header is not None and _SAFE.fullmatch(header)
    request_id = header.decode() if safe and header else str(uuid7())
    _request_id.set(request_id)
    return request_id


def current_request_id() -> str:
    """Return the id of the request that this task serves; empty outside of a request."""
    return _request_id.get()
