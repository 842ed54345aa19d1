"""/openapi.json, /docs and /redoc: their files and what they permit the browser."""

import re

import httpx2
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from service.main import State
from service.web.pages.documentation import hash_source


@pytest.mark.parametrize(("path", "scripts"), [("/docs", 1), ("/redoc", 0)])
async def test_page_permits_its_own_scripts_alone(
    anonymous_client: httpx2.AsyncClient, path: str, scripts: int
) -> None:
    page = await anonymous_client.get(path)
    policy = page.headers["content-security-policy"]
    found = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert len(found) == scripts
    allowed = re.search(r"script-src ([^;]*);", policy)
    assert allowed
    assert allowed[1].split() == ["'self'", *map(hash_source, found)]
    assert policy.startswith("default-src 'none'")
    assert page.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_page_names_no_other_host_and_its_files_may_be_cached(
    anonymous_client: httpx2.AsyncClient, path: str
) -> None:
    page = await anonymous_client.get(path)
    assert "//" not in re.sub(r"//.*\n|<!--.*?-->", "", page.text)
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(files) >= 2
    for file in files:
        answer = await anonymous_client.get(f"/{file}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=86400, no-transform"
        headers = {"If-None-Match": answer.headers["etag"]}
        assert (await anonymous_client.get(f"/{file}", headers=headers)).status_code == 304


@pytest.mark.parametrize(
    "name", ["nothing.js", "../core.py", "..%2Fcore.py", "", "a/b", "v1/users", "%00", "x" * 300]
)
async def test_other_files_are_404(anonymous_client: httpx2.AsyncClient, name: str) -> None:
    assert (await anonymous_client.get(f"/docs/assets/{name}")).status_code == 404


@pytest.mark.parametrize("wanted", ["bytes=0-1999", "bytes=a", "bytes=999999999-"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_file_is_sent_whole_and_without_coding(
    anonymous_client: httpx2.AsyncClient, method: str, wanted: str
) -> None:
    """Ranges are ignored (RFC 9110, 14.2), those too that nobody can read."""
    address = "/docs/assets/swagger-ui.css"
    plain = await anonymous_client.get(address)
    answer = await anonymous_client.request(method, address, headers={"Range": wanted})
    assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "none")
    assert answer.headers["content-length"] == str(len(plain.content))
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("name", ["swagger-ui.css", "v1", "nothing.js"])
async def test_file_refuses_other_methods(anonymous_client: httpx2.AsyncClient, name: str) -> None:
    for method in ("POST", "DELETE"):
        answer = await anonymous_client.request(method, f"/docs/assets/{name}")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_document_has_an_etag_and_is_written_once(
    anonymous_client: httpx2.AsyncClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await anonymous_client.get("/openapi.json")
    assert first.json() == app.openapi()
    monkeypatch.setattr(app, "openapi", None)
    headers = {"If-None-Match": first.headers["etag"]}
    again = await anonymous_client.get("/openapi.json", headers=headers)
    assert (again.status_code, again.content) == (304, b"")
    other = await anonymous_client.get("/openapi.json", headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


async def test_document_behind_a_prefix_names_it_as_server(app: FastAPI, state: State) -> None:
    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": "/shop", "state": dict(state)}, receive, send)

    transport = httpx2.ASGITransport(behind)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        document = (await client.get("/shop/openapi.json")).json()
    assert document["servers"] == [{"url": "/shop"}, {"url": "/"}]
    assert document["paths"] == app.openapi()["paths"]
