"""Each request is read strictly, before any endpoint sees it."""

import gzip
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.types import Receive, Scope, Send

from service.auth.caller import ANONYMOUS, PUBLIC, Access, Caller
from service.web.route import Endpoint, Route, add_routes, policy

BODY = b'{"name": "x"}'


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/JSON; charset=utf-8", "application/merge-patch+json"],
)
async def test_body_of_json_content_types_is_accepted(
    client: httpx2.AsyncClient, kind: str
) -> None:
    response = await client.post("/v1/items", content=BODY, headers={"Content-Type": kind})
    assert response.status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/json"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "identity, br"},
    ],
)
@pytest.mark.parametrize("body", [BODY, gzip.compress(BODY)], ids=["plain", "gzip"])
async def test_body_of_other_content_types_is_415(
    client: httpx2.AsyncClient, headers: dict[str, str], body: bytes
) -> None:
    response = await client.post("/v1/items", content=body, headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b'"x"', 422, "invalid"),
        (b"null", 422, "invalid"),
        (b"{", 400, "invalid_json"),
        (b'{"name": "x", "name": "y"}', 400, "duplicate_key"),
        (b'{"name": "x", "attributes": {"a": NaN}}', 400, "invalid_json"),
        (b"\xef\xbb\xbf" + BODY, 400, "invalid_utf8"),
        (BODY.decode().encode("utf-16"), 400, "invalid_utf8"),
        (b'{"name": "x", "attributes": ' + b'{"a":' * 200 + b"1" + b"}" * 201, 400, "too_deep"),
        (b'{"name": "\\ud800"}', 422, "invalid"),
        (b'{"name": "x\\u0000"}', 422, "invalid"),
        (b'{"name": "x", "attributes": {"n": 1e400}}', 422, "invalid"),
    ],
)
async def test_body_not_strict_json_is_an_error(
    client: httpx2.AsyncClient, body: bytes, status: int, code: str
) -> None:
    response = await client.post(
        "/v1/items", content=body, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_body_in_chunks_is_read_whole(client: httpx2.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for place in range(len(BODY)):
            yield BODY[place : place + 1]

    response = await client.post(
        "/v1/items", content=pieces(), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 201


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/items?name=%00", 422, "invalid"),
        ("/v1/items?name=a%00b&limit=1", 422, "invalid"),
        ("/v1/items/%00", 400, "bad_request"),
        ("/v1/item_types/a%00", 400, "bad_request"),
        ("/v1/item_types?limit=1", 400, "unknown_parameter"),
        ("/v1/item_types/a?x", 400, "unknown_parameter"),
        ("/v1/items?n4me=x", 400, "unknown_parameter"),
        ("/v1/items?limit=1&limit=x", 422, "invalid"),
    ],
)
async def test_address_and_query_are_strict(
    client: httpx2.AsyncClient, path: str, status: int, code: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_unknown_parameter_has_pointer(client: httpx2.AsyncClient) -> None:
    response = await client.get("/v1/items?n4me=x&limit=1")
    assert [error["pointer"] for error in response.json()["errors"]] == ["/query/n4me"]


async def test_query_with_invalid_utf8_matches_nothing(
    client: httpx2.AsyncClient,
) -> None:
    response = await client.get("/v1/items?name=%ff")
    assert (response.status_code, response.json()["items"]) == (200, [])


class RecordingRoute(Route):
    """Records what a store's route would do: open a call, for a write or not."""

    async def visit(self, request: Request, endpoint: Endpoint) -> Response:
        request.state.visits.append("write" if self.writes else "read")
        return await endpoint(request)


router = APIRouter(route_class=RecordingRoute, dependencies=[PUBLIC])


@router.get("/get")
async def get_plain() -> None:
    """Without a policy."""


@router.post("/post")
async def post_plain() -> None:
    """Without a policy."""


@router.post("/search")
@policy(read_only=True)
async def post_read_only() -> None:
    """Changes nothing."""


@router.post("/own")
@policy(own_sessions=True)
async def post_own_sessions() -> None:
    """Opens its sessions itself."""


@router.post("/direct")
@policy(direct=True)
async def post_direct(request: Request) -> Response:
    return Response(request.method)


@router.post("/direct_own")
@policy(direct=True, own_sessions=True)
async def post_direct_own_sessions(request: Request) -> Response:
    return Response(request.method)


class AnonymousAuthenticator:
    async def authenticate(self, _request: Request, _access: Access) -> Caller:
        return ANONYMOUS


@pytest.mark.parametrize(
    ("method", "path", "visits"),
    [
        ("GET", "/get", ["read"]),
        ("POST", "/post", ["write"]),
        ("POST", "/search", ["read"]),
        ("POST", "/own", []),
        ("POST", "/direct", ["write"]),
        ("POST", "/direct_own", []),
    ],
)
async def test_policy_decides_how_the_store_is_visited(
    method: str, path: str, visits: list[str]
) -> None:
    app, recorded = FastAPI(), list[str]()
    add_routes(app, "", router)

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"authenticator": AnonymousAuthenticator(), "visits": recorded}
        await app(scope, receive, send)

    transport = httpx2.ASGITransport(with_state)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        response = await client.request(method, path)
    assert (response.status_code, recorded) == (200, visits)


def test_route_without_access_is_refused_by_its_name() -> None:
    async def tags_shout() -> str:
        return ""

    with pytest.raises(TypeError, match=r"^tags_shout \(/v1/tags/shout\): state the access once"):
        APIRouter(prefix="/v1/tags", route_class=Route).get("/shout")(tags_shout)
