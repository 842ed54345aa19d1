"""Re-check of the caller's permission during a long response."""

from types import SimpleNamespace
from typing import Any

import pytest

from service.auth.caller import Caller, Forbidden
from service.web import permission_recheck
from service.web.permission_recheck import PermissionRecheck


class CountingAuthenticator:
    """Accept every request as one caller, and count them."""

    def __init__(self) -> None:
        self.count = 0

    async def authenticate(self, _request: Any, _access: Any) -> Caller:
        self.count += 1
        return Caller()


def forbid(_caller: Caller) -> None:
    raise Forbidden


def request_with(authenticator: CountingAuthenticator) -> Any:
    return SimpleNamespace(state=SimpleNamespace(authenticator=authenticator, access=None))


async def test_recheck_within_two_seconds_does_not_authenticate() -> None:
    authenticator = CountingAuthenticator()
    await PermissionRecheck(request_with(authenticator), forbid).check()
    assert authenticator.count == 0


async def test_recheck_when_due_raises_what_the_stream_requires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(permission_recheck, "RECHECK_INTERVAL_SECONDS", 0.0)
    authenticator = CountingAuthenticator()
    await PermissionRecheck(request_with(authenticator)).check()
    with pytest.raises(Forbidden):
        await PermissionRecheck(request_with(authenticator), forbid).check()
    assert authenticator.count == 2
