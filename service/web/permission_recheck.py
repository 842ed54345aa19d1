"""Re-check the caller's permission while a long response is streamed."""

import time
from collections.abc import Callable

from fastapi import Request

from service.auth.caller import Authenticator, Caller

RECHECK_INTERVAL_SECONDS = 2.0


class PermissionRecheck:
    """Authenticate again every two seconds, so that a stream ends with its key or login.

    ``require`` raises an error for a caller who lacks what the stream needs beyond its scopes.
    """

    def __init__(
        self, request: Request, require: Callable[[Caller], None] = lambda _caller: None
    ) -> None:
        self._request, self._require = request, require
        self._checked_at = time.monotonic()

    async def check(self) -> None:
        """Raise an error if the caller may no longer read the stream.

        Raises:
            Unauthenticated, Forbidden, TooOften, Unavailable: as at the start of the request.
        """
        if time.monotonic() - self._checked_at < RECHECK_INTERVAL_SECONDS:
            return
        state = self._request.state
        authenticator: Authenticator = state.authenticator
        self._require(await authenticator.authenticate(self._request, state.access))
        self._checked_at = time.monotonic()
