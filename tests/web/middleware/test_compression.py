"""Compressed responses: which they are, by which coding, and with which ETag."""

from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.main import State
from service.web import streaming
from service.web.middleware.compression import CompressionMiddleware, choose_coding
from service.web.streaming import LARGE_BYTES
from tests.documents.predictions.live_server import connect, serving
from tests.relational.posts.factories import make_post

GZIP = ("Accept-Encoding", "gzip")
LONG = b'{"text": "' + b"word " * 400 + b'"}'


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=1, zstd;q=0.5", "gzip"),
        ("*", "zstd"),
        ("zstd;q=0, *;q=0.1", "br"),
        ("gzip;q=0", None),
        ("*;q=0", None),
        ("identity", None),
        ("identity, gzip;q=0.9", None),
        ("identity;q=0.5, gzip;q=0.9", "gzip"),
        ("deflate", None),
        ("", None),
    ],
)
def test_coding_is_that_of_the_largest_weight(accepted: str, coding: str | None) -> None:
    assert choose_coding(accepted) == coding


def through(response: Response) -> httpx2.AsyncClient:
    """Return a client of a response behind the middleware."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await response(scope, receive, send)

    transport = httpx2.ASGITransport(CompressionMiddleware(app))
    return httpx2.AsyncClient(transport=transport, base_url="http://x")


async def send_through(response: Response, **headers: str) -> httpx2.Response:
    """Return what a client gets of a response behind the middleware."""
    async with through(response) as client:
        return await client.get("/", headers=headers)


@pytest.mark.parametrize("coding", ["zstd", "br", "gzip"])
async def test_long_response_is_compressed_and_its_etag_names_the_coding(coding: str) -> None:
    response = Response(LONG, headers={"ETag": '"3.17"'}, media_type="application/json")
    answer = await send_through(response, **{"Accept-Encoding": coding})
    assert answer.content == LONG
    assert answer.headers["content-encoding"] == coding
    assert int(answer.headers["content-length"]) < len(LONG) / 5
    assert answer.headers["etag"] == f'"3.17-{coding}"'


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response(LONG[:1023], media_type="application/json"), id="short"),
        pytest.param(Response(LONG, headers={"Cache-Control": "no-store"}), id="secret"),
        pytest.param(Response(LONG, headers={"Set-Cookie": "a=b"}), id="cookie"),
        pytest.param(Response(LONG, headers={"Connection": "close"}), id="last of a connection"),
        pytest.param(Response(LONG, headers={"Cache-Control": "a, no-transform"}), id="stream"),
        pytest.param(Response(LONG, headers={"Content-Encoding": "x"}), id="coded already"),
        pytest.param(Response(LONG, media_type="text/event-stream"), id="tail"),
        pytest.param(Response(LONG, media_type="application/vnd.apache.parquet"), id="parquet"),
        pytest.param(Response(LONG, 206, {"Content-Range": "bytes 0-9/10"}), id="part"),
        pytest.param(Response(None, 204), id="empty"),
        pytest.param(Response(None, 304), id="not modified"),
    ],
)
async def test_response_is_sent_as_it_is(response: Response) -> None:
    before = list(response.raw_headers)
    if "content-type" not in response.headers:
        response.headers["Content-Type"] = "application/json"
        before = list(response.raw_headers)
    answer = await send_through(response, **{"Accept-Encoding": "gzip"})
    assert [pair for pair in answer.headers.raw if pair[0] != b"vary"] == before


@pytest.mark.parametrize(
    "headers",
    [{"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "gzip", "Cache-Control": "no-transform"}],
    ids=["refused", "no-transform"],
)
async def test_client_gets_no_coding_that_it_does_not_want(headers: dict[str, str]) -> None:
    answer = await send_through(Response(LONG, media_type="application/json"), **headers)
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    ("lines", "coding"),
    [
        ([GZIP, ("Accept-Encoding", "deflate")], "gzip"),
        ([("Accept-Encoding", "deflate"), GZIP], "gzip"),
        ([("Accept-Encoding", "gzip;q=0.5"), ("X", "y"), ("Accept-Encoding", "br")], "br"),
        ([GZIP, ("Cache-Control", "no-transform"), ("Cache-Control", "max-age=0")], None),
        ([GZIP, ("Cache-Control", "max-stale"), ("Cache-Control", "max-age=0")], "gzip"),
    ],
)
async def test_list_in_several_lines_is_one_list(
    lines: list[tuple[str, str]], coding: str | None
) -> None:
    response = Response(LONG, media_type="application/json")
    async with through(response) as client:
        answer = await client.send(httpx2.Request("GET", "http://x/", headers=lines))
    assert answer.headers.get("content-encoding") == coding


async def test_large_body_takes_a_slot_for_its_length_before_coding(
    client: httpx2.AsyncClient, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"name": "x", "attributes": {"text": "word " * (LARGE_BYTES // 5)}}
    item = (await client.post("/v1/items", json=body)).json()
    address = f"/v1/items/{item['id']}"
    answer = await client.get(address)
    assert (answer.json(), answer.headers["content-encoding"]) == (item, "zstd")
    monkeypatch.setattr(streaming, "SLOT_SECONDS", 0.01)
    async with AsyncExitStack() as slots:
        for _ in range(streaming.SLOTS):
            await slots.enter_async_context(state["large_responses"].slot())
        assert (await client.get(address)).status_code == 503


async def test_each_piece_of_an_exported_file_is_flushed() -> None:
    """A reader of a long export gets each page of it when it is read."""
    sent: list[dict[str, Any]] = []

    async def pieces() -> Any:
        for number in range(3):
            before = len(sent)
            yield b'{"number": %d}\n' % number
            assert any(message.get("body") for message in sent[before:])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(pieces(), media_type="application/x-ndjson")(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"spec_version": "2.4"},
        "headers": [(b"accept-encoding", b"gzip")],
    }
    await CompressionMiddleware(app)(scope, receive, send)
    assert (b"content-encoding", b"gzip") in sent[0]["headers"]


async def read(client: httpx2.AsyncClient, address: str, **headers: str) -> tuple[int, str]:
    """Return the status and the ETag of a response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await client.get(address, headers=named)
    return answer.status_code, answer.headers["etag"]


async def test_if_none_match_takes_the_etags_of_codings_that_are_accepted(
    client: httpx2.AsyncClient,
) -> None:
    post = await make_post(client, content="word " * 400)
    address = f"/v1/posts/{post['id']}"
    _, plain = await read(client, address, accept_encoding="identity")
    gzip, br = f'{plain[:-1]}-gzip"', f'{plain[:-1]}-br"'
    for accepted, sent, expected in [
        ("gzip", gzip, (304, gzip)),
        ("gzip", f"W/{gzip}", (304, gzip)),
        ("gzip", f'"x-gzip", {gzip}', (304, gzip)),
        ("gzip", plain, (304, plain)),
        ("gzip, br", gzip, (304, gzip)),
        ("*", br, (304, br)),
        ("br", gzip, (200, br)),
        ("identity", gzip, (200, plain)),
        ("gzip", '"x-gzip"', (200, gzip)),
        ("gzip", f'{plain[:-1]}-lzma"', (200, gzip)),
    ]:
        found = await read(client, address, accept_encoding=accepted, if_none_match=sent)
        assert found == expected, (accepted, sent)


async def test_if_match_takes_the_etag_of_a_coding(client: httpx2.AsyncClient) -> None:
    body = {"name": "x", "attributes": {"text": "word " * 400}}
    item = (await client.post("/v1/items", json=body)).json()
    address = f"/v1/items/{item['id']}"
    _, etag = await read(client, address, accept_encoding="br")
    assert etag == '"1-br"'
    statuses = [
        (await client.patch(address, json={"name": name}, headers={"If-Match": etag})).status_code
        for name in ("changed", "changed again")
    ]
    assert statuses == [200, 412]


async def test_problem_and_page_are_compressed_and_a_replay_is_stored_plain(
    client: httpx2.AsyncClient,
) -> None:
    items = [{"username": f"ada{n}", "email": f"ada{n}@example.com"} for n in range(9)]
    headers = {"Idempotency-Key": "k", "Accept-Encoding": "gzip"}
    first = await client.post("/v1/users/bulk", json={"items": items}, headers=headers)
    assert (first.status_code, first.headers["content-encoding"]) == (201, "gzip")
    again = await client.post(
        "/v1/users/bulk", json={"items": items}, headers={**headers, "Accept-Encoding": "br"}
    )
    assert (again.headers["content-encoding"], again.json()) == ("br", first.json())
    assert again.headers["idempotency-replayed"] == "true"
    refused = await client.post("/v1/users/bulk", json={"items": [{} for _ in range(20)]})
    assert (refused.status_code, refused.headers["content-encoding"]) == (422, "zstd")


async def test_response_varies_without_accept_encoding(state: State) -> None:
    async with serving(state) as port:
        reader, writer = await connect(port)
        writer.write(b"GET /livez HTTP/1.0\r\nHost: x\r\n\r\n")
        assert b"\r\nvary: Accept-Encoding\r\n" in await reader.read()
        writer.close()
