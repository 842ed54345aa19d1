"""The service on a real socket."""

from collections.abc import AsyncIterator

import pytest

from service.main import State
from tests.documents.predictions.live_server import serving


@pytest.fixture
async def url(state: State) -> AsyncIterator[str]:
    """The address of the service on a socket; every caller is an administrator."""
    async with serving(state) as port:
        yield f"http://127.0.0.1:{port}"
