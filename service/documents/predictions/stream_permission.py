"""Whether the caller of an answer that goes on for long still may have the rest of it."""

import time

from fastapi import Request

from service.auth.caller import Authenticator
from service.documents.predictions.errors import check_model

SECONDS_BETWEEN_LOOKS = 2.0


class PermissionRecheck:
    """Asks the gate anew every two seconds: a stream does not outlive its key or its login."""

    def __init__(self, request: Request, model: str | None) -> None:
        self._request, self._model = request, model
        self._asked = time.monotonic()

    async def check(self) -> None:
        """Refuses who may not any more.

        Raises:
            Unauthenticated, Forbidden, TooOften, Unavailable: as at the beginning.
        """
        if time.monotonic() - self._asked < SECONDS_BETWEEN_LOOKS:
            return
        state = self._request.state
        authenticator: Authenticator = state.authenticator
        check_model(await authenticator.authenticate(self._request, state.access), self._model)
        self._asked = time.monotonic()
