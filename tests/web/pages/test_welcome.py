"""``GET /`` for clients and for browsers."""

import re

import httpx2
import pytest
from fastapi import FastAPI

from service.main import State, create_app
from tests.fixtures.client import ADMINISTRATOR, client_as

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accepted", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html, application/json", "application/json"),
        ("image/png", "application/json"),
        (BROWSER, "text/html; charset=utf-8"),
        ("text/*", "text/html; charset=utf-8"),
        ("text/html, application/json;q=0.9", "text/html; charset=utf-8"),
    ],
)
async def test_welcome_is_what_the_client_prefers(
    anonymous_client: httpx2.AsyncClient, accepted: str, media_type: str
) -> None:
    answer = await anonymous_client.get("/", headers={"Accept": accepted})
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"] == "Accept, Accept-Encoding"


async def test_welcome_names_addresses_that_exist(client: httpx2.AsyncClient) -> None:
    welcome = (await client.get("/")).json()
    documentation = [welcome[name] for name in ("docs", "redoc", "openapi")]
    assert {"users", "posts", "items", "predictions"} <= welcome["collections"].keys()
    assert "me" not in welcome["collections"]
    for address in [*documentation, welcome["health"]["live"], *welcome["collections"].values()]:
        assert (await client.get(address)).status_code == 200, address


async def test_page_has_no_script_and_links_that_exist(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/", headers={"Accept": BROWSER})
    links = re.findall(r'<a href="([^"]+)"', answer.text)
    assert len(links) > 15
    for link in links:
        assert (await client.get(link)).status_code == 200, link
    assert "<script" not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_welcome_below_a_prefix_has_it_in_its_addresses(app: FastAPI, state: State) -> None:
    async def below(scope, receive, send):  # type: ignore[no-untyped-def]
        await app({**scope, "root_path": "/shop", "state": dict(state)}, receive, send)

    transport = httpx2.ASGITransport(below)
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        welcome = (await client.get("/shop/")).json()
    assert (welcome["docs"], welcome["health"]["ready"]) == ("/shop/docs", "/shop/readyz")


async def test_documentation_switched_off_is_nowhere(state: State) -> None:
    app = create_app(state["settings"].model_copy(update={"docs": False}))
    async with client_as(ADMINISTRATOR, app, state) as client:
        welcome = (await client.get("/")).json()
        for path in ("/docs", "/redoc", "/openapi.json", "/docs/assets/swagger-ui.css"):
            assert (await client.get(path)).status_code == 404
    assert [welcome[name] for name in ("docs", "redoc", "openapi")] == [None] * 3
