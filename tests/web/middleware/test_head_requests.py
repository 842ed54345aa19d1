"""HEAD for every GET, with its headers and without its body."""

import asyncio

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from service.documents.predictions.export.export_log import ExportResponse
from service.documents.predictions.tail.follow_log import TailResponse
from service.main import State
from service.relational.catalog.export_file import ProductExportResponse
from tests.documents.predictions.live_server import connect, serving
from tests.relational.posts.factories import make_post

STREAMED = ["/v1/products/export", "/v1/predictions/export", "/v1/predictions/tail"]
CHANGING = {"x-request-id", "date", "ratelimit"}


def headers_of(response: httpx2.Response) -> dict[str, str]:
    """Return the headers that are the same in each response of an address."""
    return {name: value for name, value in response.headers.items() if name not in CHANGING}


def addresses(app: FastAPI) -> list[str]:
    """Return the addresses of all GET routes that need no parameter."""
    contexts = iter_route_contexts(app.routes)
    paths = [str(context.path) for context in contexts if "GET" in (context.methods or ())]
    return [path for path in paths if "{" not in path and path not in ("/metrics", *STREAMED)]


async def test_head_has_the_headers_of_get(client: httpx2.AsyncClient, app: FastAPI) -> None:
    post = await make_post(client, content="word " * 400)
    paths = [*addresses(app), f"/v1/posts/{post['id']}", "/v1/posts/x", "/docs/assets/favicon.png"]
    assert len(paths) > 20
    for path in paths:
        head, get = await client.head(path), await client.get(path)
        assert (head.status_code, headers_of(head)) == (get.status_code, headers_of(get)), path
        assert not head.content


@pytest.mark.parametrize("path", [*STREAMED, "/v1/predictions/export?format=csv"])
async def test_head_of_a_stream_starts_none(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def read(_response: object) -> None:
        raise AssertionError("the stream was started")

    for response in (ExportResponse, ProductExportResponse, TailResponse):
        monkeypatch.setattr(response, "pieces", read)
    head = await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    with pytest.raises(AssertionError):
        await client.get(path)


@pytest.mark.parametrize("path", STREAMED[:2])
async def test_head_of_an_export_has_the_headers_of_get(
    client: httpx2.AsyncClient, path: str
) -> None:
    head, get = headers_of(await client.head(path)), headers_of(await client.get(path))
    for headers in (head, get):
        headers.pop("content-disposition", None)  # has the time
    assert head == get


async def test_head_of_a_stream_is_refused_as_get_is(
    anonymous_client: httpx2.AsyncClient,
) -> None:
    for path in STREAMED:
        assert (await anonymous_client.head(path)).status_code == 401


async def test_head_without_a_get_is_405(client: httpx2.AsyncClient) -> None:
    head = await client.head("/v1/auth/token")
    assert (head.status_code, head.headers["allow"]) == (405, "POST")


async def test_head_keeps_the_connection_usable(state: State, reset_stores: None) -> None:
    """A body after the head would be taken for the next response."""
    async with serving(state) as port:
        reader, writer = await connect(port)
        for path in ("/livez", "/v1/products/export", "/v1/predictions/tail", "/v1/users"):
            writer.write(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            async with asyncio.timeout(30):
                head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), path
            assert b"transfer-encoding" not in head
        writer.close()
