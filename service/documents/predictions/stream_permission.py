"""Re-check the caller's permission while a long response is streamed."""

import time

from fastapi import Request

from service.auth.caller import Authenticator

SECONDS_BETWEEN_CHECKS = 2.0


class PermissionRecheck:
    """Authenticate again every two seconds, so that a stream ends with its key or login."""

    def __init__(self, request: Request, model: str | None) -> None:
        self._request, self._model = request, model
        self._checked_at = time.monotonic()

    async def check(self) -> None:
        """Raise an error if the caller may no longer read the stream.

        Raises:
            Unauthenticated, Forbidden, TooOften, Unavailable: as at the start of the request.
        """
        if time.monotonic() - self._checked_at < SECONDS_BETWEEN_CHECKS:
            return
        state = self._request.state
        authenticator: Authenticator = state.authenticator
        caller = await authenticator.authenticate(self._request, state.access)
        caller.require_model(self._model)
        self._checked_at = time.monotonic()
