"""What the application as a whole does with an address."""

import httpx2
import pytest

from service.main import create_app
from service.settings import Settings
from tests.fixtures.client import speaking_to


async def test_an_address_with_a_slash_too_many_is_unknown(client: httpx2.AsyncClient) -> None:
    """And no redirect to wherever the Host header says."""
    answer = await client.get("/v1/items/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_address")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/v1/predictions", 401),
        ("POST", "/v1/predictions/stream", 401),
        ("GET", "/v1/items", 401),
        ("GET", "/v1/nowhere", 404),
        ("PUT", "/v1/predictions", 405),
    ],
)
async def test_a_page_of_a_browser_can_read_why_it_was_refused(
    settings: Settings, method: str, path: str, status: int
) -> None:
    """Whichever way a request takes through the application."""
    page = "https://page.example"
    app = create_app(settings.model_copy(update={"cors_origins": page}))
    async with app.router.lifespan_context(app) as state, speaking_to(app, state) as client:
        answer = await client.request(method, path, headers={"Origin": page})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == page
