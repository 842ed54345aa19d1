"""Security headers of responses."""

import httpx2
import pytest

from service.main import State
from tests.auth.factories import LoggedInUser, create_user
from tests.documents.predictions.live_server import exchange, serving

ME, TAGS, EVENTS, TOKEN = "/v1/me", "/v1/tags", "/v1/predictions", "/v1/auth/token"


@pytest.mark.parametrize(
    ("address", "status"), [("/livez", 200), ("/v1/nowhere", 404), (ME, 401), (TOKEN, 405)]
)
async def test_every_response_has_security_headers(
    anonymous_client: httpx2.AsyncClient, address: str, status: int
) -> None:
    answer = await anonymous_client.get(address)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "cache-control" in answer.headers
    assert "strict-transport-security" not in answer.headers


async def test_authenticated_response_has_security_headers(
    anonymous_client: httpx2.AsyncClient, state: State
) -> None:
    person: LoggedInUser = await create_user(state)
    answer = await anonymous_client.get(ME, headers=person.headers)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("name", ["Authorization: Bearer x", "X-Request-Id: x", "X-Any: x"])
@pytest.mark.parametrize("cut", [b"\r", b"\n", b"\x00", b"%0d%0a"])
async def test_request_header_cannot_inject_response_header(
    state: State, reset_stores: None, name: str, cut: bytes
) -> None:
    sent = b"GET /livez HTTP/1.1\r\nHost: x\r\n" + name.encode() + cut + b"X-Evil: 1\r\n\r\n"
    async with serving(state) as port:
        answer = await response_head(port, sent)
    assert "x-evil" not in answer.lower()
    if cut == b"%0d%0a":
        assert "x-request-id" in answer.lower(), "without a response the test would prove nothing"


async def response_head(port: int, sent: bytes) -> str:
    """Return the headers of the response; empty if the server closed the connection."""
    try:
        answer = await exchange(port, sent)
    except (ConnectionError, EOFError, AssertionError):
        return ""
    return "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
