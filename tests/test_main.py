"""The application's responses by address."""

import httpx2
import pytest
from pydantic import SecretStr

from service.main import create_app
from service.settings import Settings
from tests.fixtures.client import ADMINISTRATOR, client_as, client_for

PAGE = "https://page.example"


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
    app = create_app(settings.model_copy(update={"cors_origins": PAGE}))
    async with app.router.lifespan_context(app) as state, client_for(app, state) as client:
        answer = await client.request(method, path, headers={"Origin": PAGE})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == PAGE


async def test_it_can_read_why_there_is_no_file(settings: Settings) -> None:
    """A refusal of an answer that would have gone on for long."""
    nowhere = SecretStr("mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100")
    app = create_app(settings.model_copy(update={"cors_origins": PAGE, "mongodb_url": nowhere}))
    async with (
        app.router.lifespan_context(app) as state,
        client_as(ADMINISTRATOR, app, state) as client,
    ):
        answer = await client.get("/v1/predictions/export", headers={"Origin": PAGE})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["access-control-allow-origin"] == PAGE
